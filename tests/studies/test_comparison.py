"""Differences at equal seeds, by hand."""

import numpy as np
import pytest

from studies.comparison import difference, interval, read_methods


def runs(arm, values):
    return [
        {"arm": arm, "seed": seed, "metrics": {"bbox/AP": value}} for seed, value in values.items()
    ]


def test_interval_by_hand():
    # Mean 2, deviation 1, standard error 1 / sqrt(3) = 0.57735; t(0.975, 2) = 4.30265:
    # 2 -+ 2.48414.
    found = interval(np.array([1.0, 2.0, 3.0]))
    assert found.mean == pytest.approx(2)
    assert found.low == pytest.approx(-0.48414, abs=1e-4)
    assert found.high == pytest.approx(4.48414, abs=1e-4)
    assert (found.above, found.count, found.verdict) == (3, 3, "open")


def test_verdicts():
    # Deviation 0.1: half width 4.30265 * 0.1 / sqrt(3) = 0.248.
    assert interval(np.array([0.2, 0.3, 0.4])).verdict == "higher"
    assert interval(np.array([-0.2, -0.3, -0.4])).verdict == "lower"
    assert interval(np.array([0.1, 0.2, 0.3])).verdict == "open"
    assert interval(np.array([5.0])).verdict == "open"  # one seed tells nothing


def test_differences_are_taken_at_equal_seeds():
    # Seeds 1 and 2 are in both: 15 - 11 = 4, 14 - 12 = 2. Unpaired means would differ by 4.5.
    methods = read_methods(runs("a", {0: 5.0, 1: 11.0, 2: 12.0}) + runs("b", {2: 14.0, 1: 15.0}))
    found = difference(methods["a"], methods["b"], "bbox/AP")
    assert (found.mean, found.above, found.count) == (3.0, 2, 2)
    assert difference(methods["a"], methods["b"], "bbox/AP75") is None
