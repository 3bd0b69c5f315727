"""The alignment diagnosis, by hand."""

import math

import numpy as np
import pytest
import scipy.stats

from aligndetr.errors import DataError
from aligndetr.evaluation.alignment import (
    Alignment,
    AlignmentEvaluator,
    alignment_metrics,
    image_alignment,
)


def strip(width, left=0.0):
    """A box of height 10; against one of width 100 at the same left edge its IoU is width / 100."""
    return [left, 0.0, left + width, 10.0]


def arrays(boxes, scores, classes):
    return (
        np.array(boxes, np.float32).reshape(-1, 4),
        np.array(scores, np.float32),
        np.array(classes, np.int64),
    )


def one_image(boxes, scores, classes, truth, truth_classes):
    truth = np.array(truth, np.float32).reshape(-1, 4)
    return image_alignment(*arrays(boxes, scores, classes), truth, np.array(truth_classes))


def test_rank_of_the_best_regressed():
    # Object: width 100. IoUs 0.9, 0.8, 0.6, 0.4 with scores 0.5, 0.7, 0.6, 0.99. The last is below
    # 0.5, no candidate; two candidates are more confident than the best-regressed: rank 2.
    found = one_image(
        [strip(90), strip(80), strip(60), strip(40)],
        [0.5, 0.7, 0.6, 0.99],
        [0, 0, 0, 0],
        [strip(100)],
        [0],
    )
    assert found.rank.tolist() == [2]
    np.testing.assert_allclose(found.best_iou, [0.9], rtol=1e-5)
    np.testing.assert_allclose(found.top_iou, [0.8], rtol=1e-5)
    np.testing.assert_allclose(found.top_score, [0.7], rtol=1e-5)


def test_other_classes_and_neighbours_do_not_compete():
    # Two objects of class 1, the second shifted by 20 of 100: strip(100, 20) has IoU 80/120 = 0.67
    # with the first, but belongs to the second. The perfect box of class 0 is nobody's.
    found = one_image(
        [strip(90), strip(100, 20), strip(100)],
        [0.3, 0.9, 0.95],
        [1, 1, 0],
        [strip(100), strip(100, 20), strip(100)],
        [1, 1, 2],
    )
    assert found.rank.tolist() == [0, 0, -1]
    np.testing.assert_allclose(found.top_iou, [0.9, 1.0, math.nan], rtol=1e-5)
    np.testing.assert_allclose(found.top_score, [0.3, 0.9, math.nan], rtol=1e-5)


def test_ties():
    # Equal IoU: the confident one is the best-regressed. Equal score: counts in favour.
    found = one_image([strip(90), strip(90)], [0.3, 0.8], [0, 0], [strip(100)], [0])
    assert found.rank.tolist() == [0]
    found = one_image([strip(80), strip(90)], [0.8, 0.8], [0, 0], [strip(100)], [0])
    assert found.rank.tolist() == [0]
    np.testing.assert_allclose(found.top_iou, [0.9], rtol=1e-5)


@pytest.mark.parametrize("predictions, objects", [(0, 2), (3, 0), (0, 0)])
def test_nothing_to_compare(predictions, objects):
    found = one_image(
        [strip(90)] * predictions, [0.5] * predictions, [0] * predictions,
        [strip(100)] * objects, [0] * objects,
    )  # fmt: skip
    assert found.rank.tolist() == [-1] * objects


def test_metrics_by_hand():
    # 5 objects, 4 covered, ranks 0, 0, 2, 5: recall@1 = 2/5, @3 = 3/5, @10 = 4/5.
    alignment = Alignment(
        rank=np.array([0, 0, 2, 5, -1]),
        best_iou=np.array([0.9, 0.8, 0.9, 0.8, math.nan]),
        top_iou=np.array([0.9, 0.8, 0.6, 0.5, math.nan]),
        top_score=np.array([0.8, 0.9, 0.3, 0.2, math.nan]),
    )
    metrics = alignment_metrics(alignment)
    assert metrics["recall@1"] == pytest.approx(40)
    assert metrics["recall@3"] == pytest.approx(60)
    assert metrics["recall@10"] == metrics["covered"] == pytest.approx(80)
    assert metrics["iou_best"] == pytest.approx(85)
    assert metrics["iou_top"] == pytest.approx(70)
    # Ranks of score 3,4,2,1, of IoU 4,3,2,1: 1 - 6 * (1 + 1) / (4 * 15) = 0.8
    assert metrics["spearman"] == pytest.approx(80)
    # means 0.55, 0.7: deviations .25 .35 -.25 -.35 and .2 .1 -.1 -.2; sum of products
    # .05 + .035 + .025 + .07 = .18; sums of squares .37 and .1: .18 / sqrt(.037) = .93577
    assert metrics["pearson"] == pytest.approx(93.577, abs=1e-3)


def test_spearman_with_ties_equals_scipy():
    rng = np.random.default_rng(0)
    score, iou = rng.integers(0, 6, 50) / 10, rng.integers(0, 8, 50) / 10
    alignment = Alignment(np.zeros(50, int), iou, iou, score)
    expected = 100 * scipy.stats.spearmanr(score, iou).statistic
    assert alignment_metrics(alignment)["spearman"] == pytest.approx(expected)


def test_correlation_without_variation_is_nan():
    same = Alignment(np.zeros(3, int), *(np.full(3, 0.7) for _ in range(3)))
    assert math.isnan(alignment_metrics(same)["pearson"])
    assert math.isnan(alignment_metrics(same)["spearman"])
    nothing = alignment_metrics(Alignment.cat([]))
    assert all(math.isnan(value) for value in nothing.values())


def test_evaluator_reads_records_and_leaves_crowds_out(make_dataset, make_instances):
    def annotation(box, crowd=0):  # COCO's boxes are x, y, width, height
        return {"bbox": box, "category_id": 0, "iscrowd": crowd}

    records = [
        {"image_id": 5, "annotations": [annotation([50, 20, 100, 10])]},
        {"image_id": 6, "annotations": [annotation([0, 0, 50, 50], crowd=1)]},
        {"image_id": 8, "annotations": [annotation([10, 10, 40, 40])]},
    ]
    dataset = make_dataset("unused.json", [5, 6, 8], ["thing"], [1], records)
    evaluator = AlignmentEvaluator(dataset)
    boxes = [[50, 20, 140, 30], [50, 20, 120, 30]]  # IoU 0.9, 0.7
    evaluator.process([{"image_id": 5}], [{"instances": make_instances(boxes, [0.2, 0.4], [0, 0])}])
    evaluator.process(
        [{"image_id": 6}, {"image_id": 8}], [{"instances": make_instances([], [], [])}] * 2
    )
    metrics = evaluator.evaluate()["alignment"]
    assert metrics["recall@1"] == 0
    assert metrics["recall@3"] == metrics["covered"] == pytest.approx(50)  # 1 of 2 objects
    assert metrics["iou_best"] == pytest.approx(90, rel=1e-5)
    assert metrics["iou_top"] == pytest.approx(70, rel=1e-5)
    with pytest.raises(DataError, match="image id 7"):
        evaluator.process([{"image_id": 7}], [{"instances": make_instances([], [], [])}])
