"""Methods compared at equal seeds, all comparisons together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from aligndetr.analysis.significance import holm, p_value
from aligndetr.evaluation.comparison import Method, Run, paired_difference


@dataclass
class Difference:
    """R paired differences of a metric.

    Attributes:
        metric: its name.
        values: (R,) one a seed that both methods have; R >= 1.
        p: of the paired t-test, corrected for all comparisons; NaN for a single seed.
    """

    metric: str
    values: np.ndarray
    p: float

    @property
    def half(self) -> float:
        """Half of the 95 % confidence interval by Student's t; infinite for a single seed."""
        from scipy.stats import t

        count = len(self.values)
        if count == 1:
            return float("inf")
        return float(t.ppf(0.975, count - 1) * self.values.std(ddof=1) / np.sqrt(count))

    @property
    def cells(self) -> list[str]:
        """Mean, interval, seeds, in how many of them it is positive, p."""
        mean, count = self.values.mean(), len(self.values)
        interval = f"{mean - self.half:+.1f} to {mean + self.half:+.1f}" if count > 1 else "-"
        chance = f"{self.p:.3f}" if count > 1 else "-"
        return [f"{mean:+.1f}", interval, str(count), str((self.values > 0).sum()), chance]


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


def compare(
    pairs: Sequence[tuple[Method, Method]], metrics: Sequence[str]
) -> list[list[Difference]]:
    """The second of each pair minus the first, metric by metric, where both have a seed.

    Args:
        pairs: of methods.
        metrics: that are compared.

    Returns:
        For each pair its differences; p is corrected for all of them (Holm 1979).
    """
    found = [
        [Difference(metric, paired_difference(*pair, metric).values, 1.0) for metric in metrics]
        for pair in pairs
    ]
    found = [[difference for difference in row if len(difference.values)] for row in found]
    flat = [difference for row in found for difference in row]
    corrected = holm([p_value(difference.values) for difference in flat])
    for difference, p in zip(flat, corrected, strict=True):
        difference.p = p
    return found
