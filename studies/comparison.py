"""Numbers of a study as methods that can be compared at equal seeds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from aligndetr.evaluation.comparison import Method, Run, paired_difference


@dataclass
class Interval:
    """Mean of R paired differences and where the true mean is expected to be.

    Attributes:
        mean: of the differences.
        low, high: 95 % confidence interval by Student's t; infinite for a single difference.
        above: how many differences are positive.
        count: R.
    """

    mean: float
    low: float
    high: float
    above: int
    count: int

    @property
    def verdict(self) -> str:
        """`higher` or `lower` when the interval leaves zero out, else `open`."""
        if self.low > 0:
            return "higher"
        return "lower" if self.high < 0 else "open"

    def __str__(self) -> str:
        """`+1.2 [-0.4, +2.8] 3/3`."""
        limits = f" [{self.low:+.1f}, {self.high:+.1f}]" if self.count > 1 else ""
        return f"{self.mean:+.1f}{limits} {self.above}/{self.count}"


def read_methods(runs: Sequence[dict[str, Any]]) -> dict[str, Method]:
    """Methods by the name of their arm, in the order in which arms appear.

    Args:
        runs: each with `arm`, `seed` and `metrics` by name.
    """
    methods: dict[str, Method] = {}
    for row in runs:
        series = {
            name: (np.zeros(1, dtype=int), np.array([value]))
            for name, value in row["metrics"].items()
        }
        method = methods.setdefault(row["arm"], Method(row["arm"], []))
        method.runs.append(Run(Path(), row["seed"], series))
    return methods


def difference(first: Method, other: Method, metric: str) -> Interval | None:
    """`other` minus `first` over the seeds that both have; None without any."""
    values = paired_difference(first, other, metric).values
    return interval(values) if len(values) else None


def interval(values: np.ndarray) -> Interval:
    """Summarise R >= 1 differences."""
    from scipy.stats import t

    count, mean = len(values), float(values.mean())
    half = np.inf
    if count > 1:
        half = float(t.ppf(0.975, count - 1) * values.std(ddof=1) / np.sqrt(count))
    return Interval(mean, mean - half, mean + half, int((values > 0).sum()), count)
