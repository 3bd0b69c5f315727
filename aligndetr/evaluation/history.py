"""What a run wrote down while it trained."""

from __future__ import annotations

import json
import math
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


def count_not_finite(path: str | os.PathLike) -> dict[str, int]:
    """How often a metric was NaN or infinite (`null`, as our runs write it), if it was.

    A class without objects has no AP at all, which is no defect: such metrics do not count.

    Args:
        path: `metrics.json`; none there counts nothing.
    """
    try:
        lines = Path(path).read_bytes().splitlines()
    except OSError:
        return {}
    counts: dict[str, int] = {}
    for line in lines:
        try:
            entry = json.loads(line)
            found = [name for name, value in entry.items() if _is_lost(value)]
        except (ValueError, AttributeError, RecursionError):
            continue
        for name in found:
            counts[name] = counts.get(name, 0) + 1
    return {
        name: count for name, count in counts.items() if "/" not in name or name.endswith("/AP")
    }


def _is_lost(value: Any) -> bool:
    return value is None or (isinstance(value, float) and not math.isfinite(value))


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
