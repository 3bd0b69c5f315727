"""Which detections count, and what suppression does to them."""

import math

import numpy as np
import pytest

from aligndetr.errors import UserError
from aligndetr.runtime.prediction.choice import Choice, class_indices
from aligndetr.runtime.prediction.detections import Detections
from aligndetr.runtime.prediction.suppression import SoftSuppression, Suppression

BOXES = [[0, 0, 10, 10], [0, 0, 10, 8], [0, 0, 10, 10], [20, 20, 30, 30]]


def found(scores, classes):
    return Detections.of((40, 40), BOXES, scores, classes)


def test_a_threshold_for_each_class():
    given = found([0.5, 0.6, 0.7, 0.8], [0, 0, 1, 2])
    assert Choice((0.6, 0.7, 0.9))(given).scores.tolist() == pytest.approx([0.7, 0.6])
    assert Choice(0.6, classes=(0, 2))(given).classes.tolist() == [2, 0]
    assert Choice((0.6, 0.7, 0.9)).lowest == 0.6
    assert Choice(0.3).lowest == 0.3


def test_calibrated_scores_come_after_the_threshold_and_decide_the_order():
    given = found([0.5, 0.6, 0.7, 0.8], [0, 0, 1, 1])
    other = Choice(0.6, calibrate=lambda scores, classes: scores - 0.5 * classes)(given)
    assert other.scores.tolist() == pytest.approx([0.6, 0.3, 0.2])


def test_names_and_indices():
    assert class_indices(["dog", "0", 1], ["cat", "dog"], 2) == [1, 0, 1]
    assert class_indices(["7"], ["7th", "7"], 2) == [1]
    with pytest.raises(UserError, match=r"no class 'dgo'; did you mean dog\?"):
        class_indices(["dgo"], ["cat", "dog"], 2)
    with pytest.raises(UserError, match="no class '2'; there are cat, dog"):
        class_indices(["2"], ["cat", "dog"], 2)
    with pytest.raises(UserError, match="no names of its classes"):
        class_indices(["cat"], None, 2)


def test_suppression_by_hand():
    """IoU of the first two: 80 / 100; the third has another class."""
    given = found([0.6, 0.9, 0.8, 0.7], [0, 0, 1, 0])
    assert Suppression(0.7)(given).scores.tolist() == pytest.approx([0.9, 0.8, 0.7])
    assert len(Suppression(0.8)(given)) == 4  # only what overlaps by more
    for wrong in (0, 1.1, math.nan):
        with pytest.raises(UserError, match="is none"):
            Suppression(wrong)


def test_soft_suppression_by_hand():
    """The first overlaps a better one by 0.8: 0.6 exp(-0.64 / 0.5)."""
    soft = SoftSuppression(0.5)(found([0.6, 0.9, 0.8, 0.7], [0, 0, 1, 0]))
    expected = [0.9, 0.8, 0.7, 0.6 * math.exp(-1.28)]
    np.testing.assert_allclose(soft.scores, expected, rtol=1e-6)
    with pytest.raises(UserError, match="sigma of 0"):
        SoftSuppression(0)


def test_what_suppression_lowers_below_the_threshold_does_not_count():
    given = found([0.6, 0.9, 0.8, 0.7], [0, 0, 1, 0])
    assert len(Choice(0.3, suppress=SoftSuppression(0.5))(given)) == 3
