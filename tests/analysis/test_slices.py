"""Recall by what objects are like, by hand."""

import numpy as np
import pytest

from aligndetr.analysis.matches import match
from aligndetr.analysis.slices import slices


def test_by_hand(make_truth, make_object, make_detection):
    # 10x10 at the edge; 40x20 and 40x10 over each other: shared 400 of 800 + 400 - 400 = IoU 0.5
    boxes = [[0, 0, 10, 10], [20, 20, 60, 40], [20, 20, 60, 30]]
    crowd = make_object(1, 1, [0, 0, 100, 100], iscrowd=1)
    truth = make_truth([*(make_object(1, 1, box) for box in boxes), crowd], [1], {1: "a"})
    # found: the first with IoU 1, the second with 40*16/800 = 0.8 (7 thresholds of 10)
    found = [make_detection(1, 1, box, 0.9) for box in ([0, 0, 10, 10], [20, 20, 60, 36])]
    result = slices(match(truth, found), sizes=np.array([[100, 100]]))
    sizes = {part.low: part for part in result["size"]}
    assert [part.objects for part in result["size"]] == [1, 2, 0, 0, 0, 0]  # 10, 28.3 and 20
    assert sizes[0].average == 1
    assert sizes[16].average == pytest.approx(0.7 / 2)
    np.testing.assert_allclose(sizes[16].recall, [0.5] * 7 + [0] * 3)
    assert np.isnan(sizes[32].average)
    # the first overlaps nothing (a crowd is no neighbour); 0.5 belongs to the range from 0.5 on
    assert [part.objects for part in result["crowding"]] == [1, 0, 0, 0, 2]
    assert [part.objects for part in result["aspect"]] == [1, 0, 0, 1, 1]  # 1, 2, 4
    # distance to the nearest edge: 0, and 20 of 100
    assert [part.objects for part in result["border"]] == [1, 0, 0, 2]
    assert "border" not in slices(match(truth, found))


def test_every_object_is_in_one_slice(problem):
    truth, detections = problem
    real = sum(not entry["iscrowd"] for entry in truth["annotations"])
    matches = match(truth, detections)
    result = slices(matches, sizes=np.full((20, 2), 220))
    for parts in result.values():
        assert sum(part.objects for part in parts) == real
        found = sum(part.recall[0] * part.objects for part in parts if part.objects)
        assert found == pytest.approx(matches.hit[0].sum())
