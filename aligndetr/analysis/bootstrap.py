"""How sure a figure is: intervals from drawing the images again, with replacement."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from aligndetr.analysis.matches import Matches
from aligndetr.analysis.precision import AveragePrecision


@dataclass(frozen=True)
class Interval:
    """A figure and where it may as well lie, with these images as the only source of chance."""

    value: float
    low: float
    high: float


def bootstrap(
    statistic: Callable[[np.ndarray], np.ndarray],
    images: int,
    rounds: int = 200,
    confidence: float = 0.95,
    seed: int = 0,
) -> list[Interval]:
    """Intervals of figures that depend on how often each image counts.

    The percentiles of the draws (Efron 1979), moved so that the mean of the draws is the figure:
    with some images twice and others not at all, AP is by itself a little higher.

    Args:
        statistic: takes (N,) weights of the images, returns (M,) figures.
        images: N.
        rounds: how often N images are drawn with replacement.
        confidence: share of the rounds that lies inside.
        seed: of the draws.

    Returns:
        One interval a figure; NaN where it never could be computed.
    """
    rng = np.random.default_rng(seed)
    values = statistic(np.ones(images))
    drawn = np.stack(
        [statistic(rng.multinomial(images, np.full(images, 1 / images))) for _ in range(rounds)]
    )
    outside = 50 * (1 - confidence)
    intervals = []
    for value, column in zip(values, drawn.T, strict=True):
        kept = column[~np.isnan(column)]
        spread = (
            np.percentile(kept, [outside, 100 - outside]) - kept.mean() if kept.size else np.nan
        )
        intervals.append(Interval(float(value), *(value + spread * np.ones(2)).tolist()))
    return intervals


def average_precision_intervals(matches: Matches, rounds: int = 200) -> dict[str, Interval]:
    """AP, AP50, AP75 and the AP of each class, in percent.

    The thresholds of the matches must be COCO's.
    """
    average_precision = AveragePrecision(matches)
    half, strict = matches.place(0.5), matches.place(0.75)

    def figures(weights: np.ndarray) -> np.ndarray:
        table = 100 * average_precision(weights)
        present = ~np.isnan(table[0])
        if not present.any():
            return np.full(3 + table.shape[1], np.nan)
        rows = (
            table[:, present].mean(),
            table[half, present].mean(),
            table[strict, present].mean(),
        )
        return np.array([*rows, *table.mean(axis=0)])

    names = ("AP", "AP50", "AP75", *(f"AP-{name}" for name in matches.class_names))
    intervals = bootstrap(figures, len(matches.image_ids), rounds)
    return dict(zip(names, intervals, strict=True))
