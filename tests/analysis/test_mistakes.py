"""Single mistakes: by hand, and counted against hotcoco."""

import numpy as np
import pytest

from aligndetr.analysis.errors import confusion, tide
from aligndetr.analysis.matches import match
from aligndetr.analysis.mistakes import NAMES, find_mistakes, taken_for


@pytest.fixture
def spread(problem):
    """The made-up problem with scores that differ."""
    truth, detections = problem
    rng = np.random.default_rng(0)
    for entry in detections:
        entry["score"] = float(rng.uniform())
    return truth, detections


def test_each_kind_by_hand(make_truth, make_object, make_detection):
    boxes = [[30.0 * i, 0, 30.0 * i + 10, 10] for i in range(5)]
    truth = make_truth([make_object(1, 1, box) for box in boxes], [1, 2], {1: "a", 2: "b"})
    far = [300, 300, 310, 310]
    found = [
        make_detection(1, 1, boxes[0], 0.95),  # right
        make_detection(1, 1, [0, 0, 10, 9], 0.9),  # IoU 0.9, but taken
        make_detection(1, 2, boxes[1], 0.8),
        make_detection(1, 1, [60, 0, 70, 4], 0.7),  # IoU 0.4
        make_detection(1, 2, [90, 0, 100, 4], 0.6),
        make_detection(2, 1, far, 0.5),  # the image without objects
    ]
    mistakes = find_mistakes(match(truth, found))
    kinds = ["" if kind < 0 else NAMES[kind] for kind in mistakes.kind]
    assert kinds == ["", "Dupe", "Cls", "Loc", "Both", "Bkg"]
    assert mistakes.object.tolist() == [-1, 0, 1, 2, 3, -1]
    # a wrong class and a wrong place explain why 1 and 2 were not found; nothing explains 3 and 4
    assert mistakes.missed.tolist() == [3, 4]


def test_counts_are_hotcocos(spread):
    truth, detections = spread
    truth["annotations"] = [entry for entry in truth["annotations"] if not entry["iscrowd"]]
    mistakes = find_mistakes(match(truth, detections))
    counts = {name: int((mistakes.kind == i).sum()) for i, name in enumerate(NAMES)}
    assert counts | {"Miss": len(mistakes.missed)} == tide(truth, detections).counts


@pytest.mark.parametrize("threshold", [0.0, 0.5])
def test_pairs_are_those_of_the_matrix(spread, threshold):
    truth, detections = spread
    for entry in detections[::3]:
        entry["score"] /= 2
    matches = match(truth, detections)
    taken = taken_for(matches, [threshold] * 4)
    counts = np.zeros((5, 5), dtype=int)
    rows = np.append(matches.objects.label, 4)[taken.object]  # -1 is the last: nothing
    columns = np.append(matches.found.label, 4)[taken.found]
    np.add.at(counts, (rows, columns), 1)
    np.testing.assert_array_equal(counts, confusion(truth, detections, [threshold] * 4).counts)
    assert not matches.objects.crowd[taken.object[taken.object >= 0]].any()


def test_nothing_found_and_nothing_there(make_truth, make_object):
    truth = make_truth([make_object(2, 1, [0, 0, 5, 5])], [1, 2], {1: "a"})
    matches = match(truth, [])
    assert find_mistakes(matches).missed.tolist() == [0]
    taken = taken_for(matches, [0.5])
    assert (taken.object.tolist(), taken.found.tolist()) == ([0], [-1])
    empty = match(make_truth([], [1], {1: "a"}), [])
    assert len(find_mistakes(empty).missed) == 0
    assert len(taken_for(empty, [0.5]).object) == 0
