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
    kill cut short, or that is no JSON, is passed over.

    Args:
        path: `metrics.json`, one JSON object a line with `iteration` and metrics.

    Raises:
        DataError: the file is missing or holds no metrics.
    """
    try:
        lines = Path(path).read_bytes().splitlines()
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror}; was anything trained?") from error
    values: dict[str, dict[int, float]] = {}
    for line in lines:
        for name, (iteration, value) in _numbers(line).items():
            values.setdefault(name, {})[iteration] = value
    if not values:
        raise DataError(f"{path} holds no metrics")
    return {name: _series(points) for name, points in values.items()}


def _numbers(line: bytes) -> dict[str, tuple[int, float]]:
    try:
        entry: dict[str, Any] = json.loads(line)
        iteration = int(entry.pop("iteration"))
        numbers = {name: float(v) for name, v in entry.items() if isinstance(v, int | float)}
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError):
        return {}
    return {name: (iteration, value) for name, value in numbers.items()}


def _series(points: dict[int, float]) -> Series:
    iterations = np.array(sorted(points))
    return iterations, np.array([points[i] for i in iterations])
