"""Kinds of errors and confusion: hand-made ones, and an independent implementation."""

from collections import Counter

import numpy as np
import pytest

from aligndetr.analysis.errors import confusion, tide
from aligndetr.analysis.matches import match, overlaps


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


@pytest.fixture
def random(problem):
    """Without crowds and equal scores, which each tool takes as it likes."""
    truth, detections = problem
    truth["annotations"] = [entry for entry in truth["annotations"] if not entry["iscrowd"]]
    rng = np.random.default_rng(0)
    for entry in detections:
        entry["score"] = float(rng.uniform())
    return truth, detections


def kinds_by_a_plain_loop(matches):
    """The kind of each detection that found nothing, and the object it is about, or None."""
    objects, found = matches.objects, matches.found
    kinds = {}
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
            kinds[i] = "Loc", near[same][iou[same].argmax()]
        elif best_other >= 0.5:
            kinds[i] = "Cls", near[~same][iou[~same].argmax()]
        elif best_same >= 0.5:
            kinds[i] = "Dupe", None
        elif max(best_same, best_other) < 0.1:
            kinds[i] = "Bkg", None
        else:
            kinds[i] = "Both", None
    return kinds


def average_precision(rows, objects):
    """Of (score, whether it is right): the mean of 101 precisions, each the best from there on."""
    rows = sorted(rows, reverse=True)
    right = np.cumsum([hit for _, hit in rows])
    precision, recall = right / np.arange(1, len(rows) + 1), right / max(objects, 1)
    levels = np.linspace(0, 1, 101)
    return np.mean([max(precision[recall >= level], default=0) for level in levels])


def costs_by_a_plain_loop(matches):
    """AP50 that mending a kind gains, as the paper mends it (section 2.3).

    Where an object is free, its most confident Cls or Loc error becomes right; all others of the
    kind go away, as all of other kinds do. Missed objects are no longer counted.
    """
    objects, found, kinds = matches.objects, matches.found, kinds_by_a_plain_loop(matches)
    free = set(range(len(objects))) - set(matches.matched[0][matches.hit[0]].tolist())
    best = {}
    for i, (_, target) in kinds.items():
        if target in free and (target not in best or found.score[i] > found.score[best[target]]):
            best[target] = i

    def ap50(mended=(), missed=frozenset()):
        rows = {label: [] for label in set(objects.label.tolist())}
        for i, (score, label) in enumerate(zip(found.score, found.label, strict=True)):
            kind, target = kinds.get(i, (None, None))
            if kind in mended:
                if best.get(target) == i:
                    rows[objects.label[target]].append((score, 1))
            elif label in rows:
                rows[label].append((score, int(kind is None)))
        counts = {
            label: sum(1 for j in np.flatnonzero(objects.label == label) if j not in missed)
            for label in rows
        }
        return 100 * np.mean([average_precision(rows[label], counts[label]) for label in rows])

    explained = {target for _, target in kinds.values()}
    gains = {kind: ap50([kind]) for kind in ("Cls", "Loc", "Both", "Dupe", "Bkg")}
    gains |= {"Miss": ap50(missed=free - explained), "FN": ap50(missed=free)}
    best = {}  # without all that found nothing, none of them becomes right either
    gains["FP"] = ap50(["Cls", "Loc", "Both", "Dupe", "Bkg"])
    return {kind: value - ap50() for kind, value in gains.items()}


def test_kinds_equal_a_plain_loop(random):
    matches = match(*random)
    counts = tide(*random).counts
    kinds = kinds_by_a_plain_loop(matches)
    expected = Counter(kind for kind, _ in kinds.values())
    free = set(range(len(matches.objects))) - set(matches.matched[0][matches.hit[0]].tolist())
    expected["Miss"] = len(free - {target for _, target in kinds.values()})
    assert counts == expected
    assert min(counts.values()) > 0


def test_what_kinds_cost_equals_a_plain_loop(random):
    errors = tide(*random)
    found = {**errors.cost, "FP": errors.false_positives, "FN": errors.false_negatives}
    assert found == pytest.approx(costs_by_a_plain_loop(match(*random)), abs=1e-10)
    assert min(found.values()) > 0.5  # AP50, so that none agrees by being nothing
