"""The metric that a run is judged by, and its best value."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from aligndetr.engine.events import EventStorage
from aligndetr.errors import CheckpointError


class Metric:
    """A number that evaluations record.

    What is not finite is no value; there is NaN where there is nothing to find in the dataset.

    Args:
        name: in the event storage, such as "bbox/AP".
        larger_is_better: False for losses.
    """

    def __init__(self, name: str, larger_is_better: bool) -> None:
        self.name = name
        self.larger_is_better = larger_is_better

    def recorded(self, storage: EventStorage) -> float | None:
        """The value of the present iteration, if it has one."""
        value, iteration = storage.last(self.name)
        return None if iteration != storage.iter or _is_none(value) else value

    def is_better(self, value: float, best: float | None) -> bool:
        """Whether a value is a new best one; anything is better than none."""
        if best is None or _is_none(best):
            return True
        return value > best if self.larger_is_better else value < best


def stored_best(state: Mapping[str, Any]) -> float | None:
    """The best value that a hook remembered in a checkpoint.

    Raises:
        CheckpointError: it is no number.
    """
    best = state["best"]
    if best is not None and type(best) not in (int, float):
        raise CheckpointError(f"its best value is {repr(best)[:40]}, which is no number")
    return best


def _is_none(value: float | None) -> bool:
    return value is None or not math.isfinite(value)
