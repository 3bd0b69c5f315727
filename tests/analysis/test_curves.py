"""Thresholds: by hand, and against a plain loop over thresholds."""

import numpy as np
import pytest

from aligndetr.analysis.curves import best_f1, best_lrp, curves
from aligndetr.analysis.matches import match


@pytest.fixture
def three(make_truth, make_object, make_detection):
    """Three objects of class a; found with IoU 1 at 0.9 and with IoU 0.8 at 0.5; noise at 0.7."""
    boxes = [[0, 0, 10, 10], [20, 20, 30, 30], [40, 40, 50, 50]]
    truth = make_truth([make_object(1, 1, box) for box in boxes], [1], {1: "a", 2: "b"})
    found = [([0, 0, 10, 10], 0.9), ([70, 70, 80, 80], 0.7), ([20, 20, 30, 28], 0.5)]
    return truth, [make_detection(1, 1, box, score) for box, score in found]


def test_by_hand(three):
    curve, other = curves(match(*three))
    assert (curve.name, curve.objects, other.objects) == ("a", 3, 0)
    # kept at 0.9, 0.7, 0.5: 1, 2, 3 detections, 1, 1, 2 of them right
    np.testing.assert_allclose(curve.score, [0.9, 0.7, 0.5])
    np.testing.assert_allclose(curve.precision, [1, 1 / 2, 2 / 3])
    np.testing.assert_allclose(curve.recall, [1 / 3, 1 / 3, 2 / 3])
    # F1 = 2 TP / (detections + objects) = 2/4, 2/5, 4/6
    np.testing.assert_allclose(curve.f1, [1 / 2, 2 / 5, 2 / 3])
    # LRP = (sum (1-IoU)/0.5 + misses + false) / (TP + misses + false)
    #     = (0 + 2 + 0)/3, (0 + 2 + 1)/4, (0.4 + 1 + 1)/4
    np.testing.assert_allclose(curve.lrp, [2 / 3, 3 / 4, 2.4 / 4])
    assert best_f1(curve).threshold == best_lrp(curve).threshold == 0.5
    assert best_f1(curve).value == pytest.approx(2 / 3)
    assert best_lrp(curve).value == pytest.approx(0.6)
    assert [curve.at(t) for t in (0.95, 0.9, 0.8, 0.7, 0.1)] == [-1, 0, 0, 1, 2]
    nothing = best_f1(other)
    assert nothing.threshold == 1
    assert np.isnan(nothing.value)


def test_a_class_whose_objects_nothing_finds(three):
    truth, _ = three
    curve, _ = curves(match(truth, []))
    assert (best_f1(curve).threshold, best_f1(curve).value) == (1, 0)
    assert (best_lrp(curve).threshold, best_lrp(curve).value) == (1, 1)


def test_equals_matching_again_at_every_threshold(problem):
    """A prefix of the greedy matching is the matching of the prefix."""
    truth, detections = problem
    for label, curve in enumerate(curves(match(truth, detections))):
        for place in range(0, len(curve.score), 7):
            kept = [d for d in detections if d["score"] >= curve.score[place]]
            matches = match(truth, kept)
            of_class = matches.found.label == label
            hit = matches.hit[0][of_class]
            counted = of_class & ~matches.ignored[0]
            assert curve.true[place] == hit.sum()
            assert curve.false[place] == counted.sum() - hit.sum()
            overlap = matches.overlap(0.5)[of_class][hit]
            assert curve.error[place] == pytest.approx((1 - overlap).sum())


def test_lrp_equals_a_published_implementation(problem):
    """uq-detr's, of all classes together, without crowds; its IoU must be above the threshold."""
    lrp = pytest.importorskip("uq_detr").lrp
    from uq_detr import Detections, GroundTruth

    truth, detections = problem
    rng = np.random.default_rng(3)
    truth["annotations"] = [entry for entry in truth["annotations"] if not entry["iscrowd"]]
    for entry in detections:
        entry["score"] = float(rng.uniform(0.01, 1))
    of_classes = curves(match(truth, detections, max_dets=1000))
    kept = 0.4
    theirs = lrp(
        *as_arrays(truth, [d for d in detections if d["score"] >= kept], Detections, GroundTruth)
    )
    total = cost = 0.0
    for curve in of_classes:
        place = curve.at(kept)
        true, false, error = (
            (c[place] if place >= 0 else 0) for c in (curve.true, curve.false, curve.error)
        )
        total += true + false + curve.objects - true
        cost += error / 0.5 + false + curve.objects - true
    assert cost / total == pytest.approx(theirs.score, rel=1e-9)


def as_arrays(truth, detections, make_detections, make_truth):
    labels = {category["id"]: i for i, category in enumerate(truth["categories"])}
    found, objects = [], []
    for image in truth["images"]:
        parts = []
        for entries in (detections, truth["annotations"]):
            chosen = [entry for entry in entries if entry["image_id"] == image["id"]]
            boxes = np.array([entry["bbox"] for entry in chosen]).reshape(-1, 4)
            boxes[:, 2:] += boxes[:, :2]
            names = np.array([labels[entry["category_id"]] for entry in chosen], dtype=int)
            scores = np.array([entry.get("score", 1) for entry in chosen])
            parts.append((boxes, names, scores))
        (boxes, names, scores), (truth_boxes, truth_names, _) = parts
        found.append(make_detections(boxes=boxes, scores=scores, labels=names))
        objects.append(make_truth(boxes=truth_boxes, labels=truth_names))
    return found, objects
