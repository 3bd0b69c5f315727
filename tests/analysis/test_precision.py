"""AP against pycocotools, and what weights of images mean."""

import contextlib
import copy
import io

import numpy as np
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from aligndetr.analysis.matches import match
from aligndetr.analysis.precision import AveragePrecision


def pycocotools_table(truth, detections):
    """(T, K) AP, NaN without objects, classes in the order of the categories."""
    with contextlib.redirect_stdout(io.StringIO()):
        coco = COCO()
        coco.dataset = copy.deepcopy(truth)
        coco.createIndex()
        evaluation = COCOeval(coco, coco.loadRes(copy.deepcopy(detections)), "bbox")
        evaluation.evaluate()
        evaluation.accumulate()
    ids = [category["id"] for category in truth["categories"]]
    columns = np.searchsorted(sorted(ids), ids)  # theirs are in rising order
    precision = evaluation.eval["precision"][:, :, columns, 0, 2]  # all areas, 100 detections
    return np.where(precision[:, 0] > -1, precision.mean(axis=1), np.nan)


def test_equals_pycocotools(problem):
    truth, detections = problem
    table = AveragePrecision(match(truth, detections))()
    expected = pycocotools_table(truth, detections)
    np.testing.assert_allclose(table, expected, rtol=1e-12)
    assert np.isnan(table[:, 3]).all()  # the class without objects
    assert 0.05 < np.nanmean(table) < 0.95


def test_a_weight_is_so_many_copies_of_the_image(problem):
    """Image 100 twice, 101 not at all: the same as such a dataset."""
    truth, detections = problem
    rng = np.random.default_rng(5)
    for entry in detections:
        entry["score"] = float(rng.uniform())  # no ties between images
    weights = np.ones(20)
    weights[[0, 1]] = 2, 0
    table = AveragePrecision(match(truth, detections))(weights)
    renamed = {image["id"]: [image["id"]] for image in truth["images"]}
    renamed |= {100: [100, 500], 101: []}
    again = {
        **truth,
        "images": [{"id": new} for image in truth["images"] for new in renamed[image["id"]]],
        "annotations": [
            {**entry, "image_id": new}
            for entry in truth["annotations"]
            for new in renamed[entry["image_id"]]
        ],
    }
    again["annotations"] = [{**a, "id": i} for i, a in enumerate(again["annotations"], start=1)]
    copies = [{**d, "image_id": new} for d in detections for new in renamed[d["image_id"]]]
    # a copy has the score of its original; weighted, both count at once: the envelope is the same
    np.testing.assert_allclose(table, AveragePrecision(match(again, copies))(), atol=0.02)


def test_by_hand(make_truth, make_object, make_detection):
    # Two objects; hit, miss, hit in falling score. Precision at the hits 1/1 and 2/3, so 1 up to
    # recall 0.5 (51 of 101 recalls) and 2/3 from 0.51 on (50): AP50 = (51 + 50 * 2/3) / 101.
    objects = [make_object(1, 1, [0, 0, 10, 10]), make_object(1, 1, [50, 50, 60, 60])]
    truth = make_truth(objects, [1, 2], {1: "a"})
    boxes = [(1, [0, 0, 10, 10], 0.9), (2, [0, 0, 10, 10], 0.8), (1, [50, 50, 60, 60], 0.7)]
    found = AveragePrecision(match(truth, [make_detection(i, 1, b, s) for i, b, s in boxes]))
    np.testing.assert_allclose(found()[0], (51 + 50 * 2 / 3) / 101)
    # Image 2 does not count: no false detection. Twice: 1 and 2/4.
    np.testing.assert_allclose(found(np.array([1, 0]))[0], 1)
    np.testing.assert_allclose(found(np.array([1, 2]))[0], (51 + 50 * 2 / 4) / 101)
    assert np.isnan(found(np.array([0, 1]))).all()
