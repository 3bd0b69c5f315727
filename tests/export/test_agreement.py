"""Comparing results, with numbers by hand."""

import numpy as np
import pytest

from aligndetr.export.agreement import Tolerance, alike, matched
from aligndetr.export.eager import Result

TOLERANCE = Tolerance(0.1, 0.01, 90.0, 0.05, 0.8, 90.0, 0.5)
BOX = [0.0, 0.0, 10.0, 10.0]


def result(logits, boxes=None):
    logits = np.array(logits, dtype=np.float32)
    boxes = np.zeros((len(logits), 4), np.float32) if boxes is None else np.array(boxes)
    return Result(logits, boxes, np.zeros((0, 6)))


def test_queries_differ_by_logit_or_box():
    expected = result([[0.0, 1.0], [2.0, 3.0], [4.0, 5.0]])
    boxes = np.zeros((3, 4))
    boxes[2, 3] = 0.02
    found = result([[0.05, 1.0], [2.0, 3.2], [4.0, 5.0]], boxes)
    pair = alike(expected, found, TOLERANCE)
    assert pair.queries.tolist() == [True, False, False]
    # largest differences of a query's logits: 0.05, 0.2 and 0
    assert pair.logit == pytest.approx(0.2)
    assert pair.median == pytest.approx(0.05)
    assert pair.box == pytest.approx(0.02)


def test_nan_and_missing_queries_are_never_alike():
    expected = result([[0.0], [1.0]])
    assert alike(expected, result([[np.nan], [1.0]]), TOLERANCE).queries.tolist() == [False, True]
    assert not alike(expected, result([[0.0]]), TOLERANCE).queries.any()


@pytest.mark.parametrize(
    "found, count",
    [
        ([*BOX, 0.93, 1], 1),
        ([*BOX, 0.8, 1], 0),  # another score
        ([*BOX, 0.9, 2], 0),  # another class
        ([0, 0, 10, 8.1, 0.9, 1], 1),  # IoU 0.81
        ([0, 0, 10, 7.9, 0.9, 1], 0),  # IoU 0.79
    ],
)
def test_a_detection_is_the_same(found, count):
    expected = np.array([[*BOX, 0.9, 1]])
    assert matched(expected, np.array([found]), TOLERANCE) == (count, 1)


def test_each_detection_is_matched_once_and_low_ones_not_at_all():
    twice = np.array([[*BOX, 0.9, 1], [*BOX, 0.9, 1], [*BOX, 0.05, 1]])
    assert matched(twice, twice[:1], TOLERANCE) == (1, 2)
    assert matched(twice[:1], twice, TOLERANCE) == (1, 2)
    assert matched(twice[:0], twice[:0], TOLERANCE) == (0, 0)
