"""Calibration errors: by hand, and against a published implementation."""

import numpy as np
import pytest

from aligndetr.analysis.calibration import calibration, object_errors, reliability
from aligndetr.analysis.calibrator import (
    fit,
    fit_isotonic,
    fit_linear,
    judge,
    of_images,
)
from aligndetr.analysis.matches import match
from aligndetr.runtime.calibrator import Calibrator


def test_reliability_by_hand():
    # bins of 0.25: 0.1 and 0.2 promise 0.15, right 1 of 2; 0.9 and 1.0 promise 0.95, right 2 of 2
    diagram = reliability(np.array([0.1, 0.9, 0.2, 1.0]), np.array([0, 1, 1, 1.0]), bins=4)
    assert diagram.count.tolist() == [2, 0, 0, 2]
    np.testing.assert_allclose(diagram.score, [0.15, np.nan, np.nan, 0.95])
    np.testing.assert_allclose(diagram.quality, [0.5, np.nan, np.nan, 1])
    assert diagram.error == pytest.approx((2 * 0.35 + 2 * 0.05) / 4)
    assert np.isnan(reliability(np.zeros(0), np.zeros(0)).error)


@pytest.fixture
def two_classes(make_truth, make_object, make_detection):
    objects = [make_object(1, 1, [0, 0, 10, 10]), make_object(1, 2, [50, 50, 60, 60])]
    truth = make_truth(objects, [1], {1: "a", 2: "b"})
    found = [
        make_detection(1, 1, [0, 0, 10, 8], 0.9),  # IoU 0.8
        make_detection(1, 2, [0, 0, 10, 10], 0.4),  # covers a's object, says b
        make_detection(1, 2, [80, 80, 90, 90], 0.3),
    ]
    return match(truth, found)


def test_errors_by_hand(two_classes):
    result = calibration(two_classes)
    # each detection is alone in its bin: |0.9 - 1|, |0.4 - 0|, |0.3 - 0|
    assert result.ece == pytest.approx((0.1 + 0.4 + 0.3) / 3)
    # class a |0.9 - 0.8|; class b (0.4 + 0.3) / 2; the mean of both
    assert result.laece == pytest.approx((0.1 + 0.35) / 2)
    # a's object at IoU 0.5 and 0.75: p(a) = 0.9 / 2, p(b) = 0.4 / 2: (0.45 - 1)^2 + 0.2^2
    # b's object: nothing covers it: 1
    assert result.oce == pytest.approx((0.55**2 + 0.2**2 + 1) / 2)
    # above the thresholds only the first is left: p(a) = 0.9
    kept = calibration(two_classes, np.array([0.5, 0.5]))
    assert (kept.ece, kept.laece) == (pytest.approx(0.1), pytest.approx(0.1))
    assert kept.oce == pytest.approx((0.1**2 + 1) / 2)
    perfect = calibration(two_classes, np.array([0.5, 0.5]), np.array([0.8, 0, 0]))
    assert perfect.laece == pytest.approx(0)


def test_object_errors_equal_a_published_implementation(problem):
    """uq-detr's, given the whole distribution of each detection."""
    oce = pytest.importorskip("uq_detr").oce
    from uq_detr import Detections, GroundTruth

    truth, detections = problem
    truth["annotations"] = [entry for entry in truth["annotations"] if not entry["iscrowd"]]
    matches = match(truth, detections)
    found, objects = matches.found, matches.objects
    theirs, truths = [], []
    for image in range(20):
        of_image, real = found.image == image, objects.image == image
        spread = np.zeros((of_image.sum(), 4))
        spread[np.arange(of_image.sum()), found.label[of_image]] = found.score[of_image]
        spread[:, :1] += 1e-12  # so that a score of 0 still has a class
        labels = found.label[of_image]
        theirs.append(Detections(boxes=found.boxes[of_image], scores=spread, labels=labels))
        truths.append(GroundTruth(boxes=objects.boxes[real], labels=objects.label[real]))
    everything = np.ones(len(found), dtype=bool)
    for iou in (0.5, 0.75):
        ours = object_errors(matches, found.score, everything, iou).mean()
        assert ours == pytest.approx(oce(theirs, truths, iou_thresholds=[iou]).score, rel=1e-6)


@pytest.mark.parametrize("measure, ours", [("dece", "ece"), ("laece", "laece")])
def test_calibration_errors_equal_a_published_implementation(problem, measure, ours):
    """uq-detr's, on scores that differ, without crowds.

    Its bins begin at the lowest score and end at the highest one of each class: here 0 and 1.
    """
    published = getattr(pytest.importorskip("uq_detr"), measure)
    from uq_detr import Detections, GroundTruth

    truth, detections = problem
    truth["annotations"] = [entry for entry in truth["annotations"] if not entry["iscrowd"]]
    rng, seen = np.random.default_rng(4), []
    for entry in detections:
        count = seen.count(entry["category_id"])
        entry["score"] = float(count) if count < 2 else float(rng.uniform())
        seen.append(entry["category_id"])
    matches = match(truth, detections, max_dets=1000)
    found, objects = matches.found, matches.objects
    theirs, truths = [], []
    for image in range(20):
        of_image, real = found.image == image, objects.image == image
        scores, labels = found.score[of_image], found.label[of_image]
        theirs.append(Detections(boxes=found.boxes[of_image], scores=scores, labels=labels))
        truths.append(GroundTruth(boxes=objects.boxes[real], labels=objects.label[real]))
    expected = published(theirs, truths, tp_criterion="greedy", iou_threshold=0.5, n_bins=25)
    assert getattr(calibration(matches), ours) == pytest.approx(expected.score, rel=1e-9)


def test_isotonic_by_hand():
    # qualities by score: 0, 1, 0.5, 1; the fall from 1 to 0.5 becomes 0.75 at (0.2 + 0.4) / 2
    score, quality = np.array([0.4, 0.1, 0.2, 0.9]), np.array([0.5, 0, 1, 1])
    knots, values = fit_isotonic(score, quality)
    np.testing.assert_allclose(knots, [0.1, 0.3, 0.9])
    np.testing.assert_allclose(values, [0, 0.75, 1])
    calibrator = Calibrator(((knots, values),))
    scores = np.array([0.05, 0.1, 0.2, 0.6, 1.0])
    np.testing.assert_allclose(calibrator(scores, np.zeros(5, int)), [0, 0, 0.375, 0.875, 1])


def test_line_by_hand():
    score = np.array([0.2, 0.4, 0.6])
    for quality, expected in [(score / 2 + 0.1, [0.1, 0.6]), (1 - score, [0.6, 0.6])]:
        np.testing.assert_allclose(fit_linear(score, quality)[1], expected)
    np.testing.assert_allclose(fit_linear(np.full(3, 0.5), np.array([0, 0, 1]))[1], [1 / 3, 1 / 3])


@pytest.fixture
def overconfident(make_truth, make_object, make_detection):
    """8 detections in 600 images; one with score s finds its object with probability s squared."""
    rng = np.random.default_rng(0)
    objects, found = [], []
    for image in range(600):
        for place in range(8):
            box, score = [20 * place, 0, 20 * place + 10, 10], float(rng.uniform())
            found.append(make_detection(image, 1, box, score))
            if rng.uniform() < score**2:
                objects.append(make_object(image, 1, box))
    return match(make_truth(objects, range(600), {1: "a", 2: "b"}), found)


def test_a_calibrator_learns_the_square(overconfident):
    """IoU is 1 or nothing, so that the expected overlap of score s is s squared."""
    calibrator = fit(overconfident, "isotonic")
    scores = np.linspace(0.1, 0.9, 9)
    np.testing.assert_allclose(calibrator(scores, np.zeros(9, int)), scores**2, atol=0.08)
    # class b has no detections of its own: it uses what all classes say
    np.testing.assert_array_equal(
        calibrator(scores, np.ones(9, int)), calibrator(scores, np.zeros(9, int))
    )
    judged = judge(overconfident, [0.0, 0.0])
    # mean of s - s^2 over uniform scores: 1/2 - 1/3 = 1/6
    assert judged.before.laece == pytest.approx(1 / 6, abs=0.03)
    assert judged.after["isotonic"].laece < 0.06
    assert judged.after["linear"].laece < judged.before.laece


def test_a_calibrator_survives_the_checkpoint(overconfident):
    calibrator = fit(overconfident, "isotonic")
    again = Calibrator.from_plain(calibrator.plain())
    scores = np.random.default_rng(0).uniform(size=50)
    labels = np.zeros(50, int)
    np.testing.assert_allclose(again(scores, labels), calibrator(scores, labels), atol=2e-6)
    with pytest.raises(ValueError, match="piecewise linear"):
        Calibrator.from_plain({"kind": "magic"})
    with pytest.raises(ValueError, match="rising"):
        Calibrator.from_plain({"kind": "piecewise linear", "knots": [[[0.5, 0.1], [0, 1]]]})


def test_half_of_the_images_is_like_matching_them_alone(problem):
    truth, detections = problem
    chosen = np.arange(20) % 2 == 0
    half = of_images(match(truth, detections), chosen)
    ids = {image["id"] for image in truth["images"][::2]}
    alone = {**truth, "annotations": [a for a in truth["annotations"] if a["image_id"] in ids]}
    expected = match(alone, [d for d in detections if d["image_id"] in ids])
    np.testing.assert_array_equal(half.matched, expected.matched)
    np.testing.assert_array_equal(half.found.boxes, expected.found.boxes)
