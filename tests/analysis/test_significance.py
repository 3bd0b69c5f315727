"""Chance and claims: against tables and by hand."""

import math

import numpy as np
import pytest

from aligndetr.analysis.matches import match
from aligndetr.analysis.significance import holm, image_interval, p_value, seeds_needed


def test_p_value_by_hand():
    # differences 1, 2, 3: mean 2, deviation 1, t = 2 / (1 / sqrt 3) = 3.4641 with 2 degrees of
    # freedom, for which p = 1 - t / sqrt(t^2 + 2) = 1 - 3.4641 / sqrt(14) = 0.07418
    assert p_value(np.array([1.0, 2, 3])) == pytest.approx(1 - math.sqrt(12 / 14), rel=1e-9)
    assert math.isnan(p_value(np.array([1.0])))
    assert math.isnan(p_value(np.zeros(3)))
    assert p_value(np.full(3, 0.5)) == 0


def test_holm_by_hand():
    # sorted 0.01, 0.02, 0.03, 0.04: times 4, 3, 2, 1 = 0.04, 0.06, 0.06, 0.04 -> never falling
    adjusted = holm([0.04, 0.01, math.nan, 0.03, 0.02])
    assert adjusted[:2] == [pytest.approx(0.06), pytest.approx(0.04)]
    assert math.isnan(adjusted[2])
    assert adjusted[3:] == [pytest.approx(0.06), pytest.approx(0.06)]
    assert holm([0.7, 0.9]) == [1.0, 1.0]


@pytest.mark.parametrize("effect, seeds", [(1.0, 10), (0.5, 34), (0.2, 199), (2.0, 5)])
def test_seeds_needed_are_those_of_the_tables(effect, seeds):
    """Paired t-test, two-sided 5 %, power 80 %, as power tables list them (Cohen 1988)."""
    assert seeds_needed(1.0, effect) == seeds
    assert seeds_needed(3.0, -3 * effect) == seeds


def test_hopeless_and_trivial_differences():
    assert seeds_needed(1.0, 0.01) is None
    assert seeds_needed(0.0, 0.1) == 2
    # Two runs and a shift of 2 / 0.1 * sqrt(2) = 28.3: |Z| < 28.3 / 12.706 = 2.23 in 97 of 100.
    assert seeds_needed(0.1, 2.0) == 2
    assert seeds_needed(1e-9, 5.0) == 2


def test_the_difference_of_two_methods(make_truth, make_object, make_detection):
    """One finds every second object, the other all: 100 - 100 * 51 / 101 percent."""
    objects = [make_object(i, 1, [0, 0, 10, 10]) for i in range(40)]
    truth = make_truth(objects, range(40), {1: "a"})
    everything = [make_detection(i, 1, [0, 0, 10, 10], 0.9) for i in range(40)]
    first, other = match(truth, everything[::2]), match(truth, everything)
    interval = image_interval([(first, other), (first, other)], rounds=100)
    assert interval.value == pytest.approx(100 - 100 * 51 / 101)
    # the share that is found has the standard error sqrt(0.5 * 0.5 / 40) = 7.9 percent
    assert interval.high - interval.low == pytest.approx(2 * 1.96 * 7.9, rel=0.35)
    assert image_interval([(first, first)], rounds=20).high == 0
    fewer = match(make_truth(objects[:3], range(3), {1: "a"}), everything[:3])
    with pytest.raises(ValueError, match="different images"):
        image_interval([(first, fewer)])
