"""Kinds of errors and confusion: hand-made ones, and an independent implementation."""

import numpy as np
import pytest

from aligndetr.analysis.errors import confusion, tide


@pytest.fixture
def one_of_each(make_truth, make_object, make_detection):
    """One object a kind of error, and one that is found; classes a and b."""
    places = {kind: 30.0 * i for i, kind in enumerate(["ok", "Cls", "Loc", "Both", "Miss"])}
    objects = [make_object(1, 1, [x, 0, x + 10, 10]) for x in places.values()]
    truth = make_truth(objects, [1], {1: "a", 2: "b"})

    def box(kind, height=10.0):
        return [places[kind], 0, places[kind] + 10, height]

    found = [
        make_detection(1, 1, box("ok"), 0.95),
        make_detection(1, 1, box("ok", 9), 0.9),  # the duplicate
        make_detection(1, 2, box("Cls"), 0.8),
        make_detection(1, 1, box("Loc", 4), 0.7),  # IoU 0.4
        make_detection(1, 2, box("Both", 4), 0.6),
        make_detection(1, 1, [200, 200, 210, 210], 0.5),  # background
    ]
    return truth, found


def test_one_of_each_kind(one_of_each):
    errors = tide(*one_of_each)
    assert errors.counts == {"Cls": 1, "Loc": 1, "Both": 1, "Dupe": 1, "Bkg": 1, "Miss": 2}
    # class a: found, duplicate, localisation, background; 5 objects, precision 1 up to recall 1/5
    # (recalls 0 to 0.2: 21 of 101); b has no objects and does not count
    assert errors.base == pytest.approx(100 * 21 / 101)
    # If the mislocated one were right: hits at places 1 and 3 of 4, precision 1 and 2/3 up to 2/5
    fixed = 100 * (21 + 20 * 2 / 3) / 101
    assert errors.cost["Loc"] == pytest.approx(fixed - errors.base)
    # Nothing missed: the objects that nobody explains go; all found of 3: see the paper's oracle
    assert errors.cost["Miss"] > 0
    assert errors.cost["Dupe"] == pytest.approx(0)  # precision at the only hit stays 1


def test_confusion_by_hand(one_of_each):
    truth, found = one_of_each
    matrix = confusion(truth, found, [0.0, 0.0])
    assert matrix.names == ("a", "b")
    # rows a, b, nothing; columns a, b, nothing. Class a: one found, one taken for b, three missed
    # (IoU 0.4 is no match); false: duplicate, mislocated and background as a, one as b
    np.testing.assert_array_equal(matrix.counts, [[1, 1, 3], [0, 0, 0], [3, 1, 0]])
    strict = confusion(truth, found, [0.9, 0.99])
    np.testing.assert_array_equal(strict.counts, [[1, 0, 4], [0, 0, 0], [1, 0, 0]])


def test_classes_keep_the_order_of_the_file(make_truth, make_object, make_detection):
    truth = make_truth([make_object(1, 2, [0, 0, 9, 9])], [1], {9: "z", 2: "y"})
    matrix = confusion(truth, [make_detection(1, 9, [0, 0, 9, 9], 0.5)], [0, 0])
    assert matrix.names == ("z", "y")
    np.testing.assert_array_equal(matrix.counts, [[0, 0, 0], [1, 0, 0], [0, 0, 0]])


def kinds_by_a_plain_loop(truth, detections):
    """Counts of the kinds as the paper defines them, from detections that found nothing."""
    from aligndetr.analysis.matches import match, overlaps

    matches = match(truth, detections)
    objects, found = matches.objects, matches.found
    taken = set(matches.matched[0][matches.hit[0]].tolist())
    counts = dict.fromkeys(["Cls", "Loc", "Both", "Dupe", "Bkg"], 0)
    explained = set()
    for i in np.flatnonzero(matches.matched[0] < 0):
        near = np.flatnonzero((objects.image == found.image[i]) & ~objects.crowd)
        iou = np.array(
            [
                overlaps(found.boxes[i][None], objects.boxes[j][None], np.zeros(1, bool))[0, 0]
                for j in near
            ]
        )
        same = objects.label[near] == found.label[i]
        best_same = iou[same].max(initial=0)
        best_other = iou[~same].max(initial=0)
        if 0.1 <= best_same < 0.5:
            counts["Loc"] += 1
            explained.add(near[same][iou[same].argmax()])
        elif best_other >= 0.5:
            counts["Cls"] += 1
            explained.add(near[~same][iou[~same].argmax()])
        elif best_same >= 0.5:
            counts["Dupe"] += 1
        elif max(best_same, best_other) < 0.1:
            counts["Bkg"] += 1
        else:
            counts["Both"] += 1
    free = set(np.flatnonzero(~objects.crowd).tolist()) - taken
    return counts | {"Miss": len(free - explained)}


def test_kinds_equal_a_plain_loop(problem):
    truth, detections = problem
    truth["annotations"] = [entry for entry in truth["annotations"] if not entry["iscrowd"]]
    rng = np.random.default_rng(0)
    for entry in detections:
        entry["score"] = float(rng.uniform())
    counts = tide(truth, detections).counts
    assert counts == kinds_by_a_plain_loop(truth, detections)
    assert min(counts.values()) > 0
