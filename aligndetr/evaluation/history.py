"""What a run wrote down while it trained."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np

from aligndetr.errors import DataError

Series = tuple[np.ndarray, np.ndarray]


def read_metrics(path: str | os.PathLike) -> dict[str, Series]:
    """Series of (iterations, values) by metric name.

    A run that was resumed writes some iterations twice; the later line counts. A line that a
    kill cut short is passed over.

    Args:
        path: `metrics.json`, one JSON object a line with `iteration` and metrics.

    Raises:
        DataError: the file is missing or holds no metrics.
    """
    try:
        lines = Path(path).read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror}; was anything trained?") from error
    values: dict[str, dict[int, float]] = {}
    for line in lines:
        try:
            entry: dict[str, Any] = json.loads(line)
            iteration = int(entry.pop("iteration"))
        except (ValueError, KeyError, TypeError, AttributeError):
            continue
        for name, value in entry.items():
            if isinstance(value, int | float):
                values.setdefault(name, {})[iteration] = float(value)
    if not values:
        raise DataError(f"{path} holds no metrics")
    series = {name: np.array(sorted(points.items())).T for name, points in values.items()}
    return {name: (iterations.astype(int), v) for name, (iterations, v) in series.items()}
