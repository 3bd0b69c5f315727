"""Is a difference between two methods more than chance, and how many seeds would show it?"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

import numpy as np

from aligndetr.analysis.bootstrap import Interval
from aligndetr.analysis.matches import Matches
from aligndetr.analysis.precision import AveragePrecision

MOST_SEEDS = 1000


def p_value(differences: np.ndarray) -> float:
    """Two-sided p of the paired t-test (Student 1908) that the mean difference is 0.

    Args:
        differences: (R,) one a seed.

    Returns:
        From 0 to 1; NaN with fewer than two seeds, or if all differences are 0.
    """
    from scipy.stats import t

    count = len(differences)
    mean, deviation = (differences.mean(), differences.std(ddof=1)) if count > 1 else (0, 0)
    if deviation == 0:
        return float("nan") if mean == 0 else 0.0
    return float(2 * t.sf(abs(mean) / (deviation / math.sqrt(count)), count - 1))


def holm(p_values: Sequence[float]) -> list[float]:
    """The p values as if each were the only one that was looked at (Holm 1979).

    The smallest of m counts m times, the next m - 1 times, and so on; none falls below one that
    was smaller. NaN stays and does not count.
    """
    known = [place for place, p in enumerate(p_values) if not math.isnan(p)]
    adjusted, highest = list(p_values), 0.0
    for rank, place in enumerate(sorted(known, key=lambda place: p_values[place])):
        highest = max(highest, min(1.0, (len(known) - rank) * p_values[place]))
        adjusted[place] = highest
    return adjusted


def seeds_needed(
    deviation: float, difference: float, alpha: float = 0.05, power: float = 0.8
) -> int | None:
    """Pairs of runs until a paired t-test finds a difference.

    Args:
        deviation: sample standard deviation of the differences at equal seeds.
        difference: that shall be found.
        alpha: how often a difference may be found where there is none.
        power: how often the difference shall be found.

    Returns:
        At least 2; None if more than 1000 are needed.
    """
    from scipy.special import nctdtr, stdtrit

    if deviation == 0:
        return 2
    for count in range(2, MOST_SEEDS + 1):
        shift = abs(difference) / deviation * math.sqrt(count)
        limit = stdtrit(count - 1, 1 - alpha / 2)
        below = np.nan_to_num(nctdtr(count - 1, shift, [limit, -limit]))  # NaN: too small for it
        if 1 - below[0] + below[1] >= power:
            return count
    return None


def image_interval(
    pairs: Sequence[tuple[Matches, Matches]], rounds: int = 200, seed: int = 0
) -> Interval:
    """Mean difference of AP in percent, with seeds and images both drawn again.

    Each round draws R of the pairs with replacement and, the same for all of them, N of the
    images.

    Args:
        pairs: R pairs of (first method, other method), each of one seed, all of the same images.
        rounds: how often is drawn.
        seed: of the draws.

    Raises:
        ValueError: the matches are of different images.
    """
    ids = pairs[0][0].image_ids
    if any(not np.array_equal(matches.image_ids, ids) for pair in pairs for matches in pair):
        raise ValueError("the runs were evaluated on different images")
    measured = [[AveragePrecision(matches) for matches in pair] for pair in pairs]

    def difference(chosen: Iterable[int], weights: np.ndarray) -> float:
        both = [[np.nanmean(method(weights)) for method in measured[pair]] for pair in chosen]
        return 100 * float(np.mean([other - first for first, other in both]))

    rng = np.random.default_rng(seed)
    everything = range(len(pairs))
    value = difference(everything, np.ones(len(ids)))
    share = np.full(len(ids), 1 / len(ids))
    drawn = np.array(
        [
            difference(rng.integers(len(pairs), size=len(pairs)), rng.multinomial(len(ids), share))
            for _ in range(rounds)
        ]
    )
    low, high = value + np.percentile(drawn, [2.5, 97.5]) - drawn.mean()
    return Interval(value, float(low), float(high))
