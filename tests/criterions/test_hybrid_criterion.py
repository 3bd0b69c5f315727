import math

import pytest
import torch

from aligndetr.criterions import HybridCriterion, SetCriterion, focal_loss
from aligndetr.errors import ConfigError
from aligndetr.matchers import (
    FocalCost,
    HungarianMatcher,
    MatchingCost,
    MixedMatcher,
    QualityCost,
    QualityMatcher,
)
from aligndetr.structures import Predictions, Targets

WEIGHTS = {"class": 2.0, "bbox": 5.0, "giou": 2.0}


def make_criterion(matcher=HungarianMatcher, match_num=None):
    cost = MatchingCost(FocalCost())
    return SetCriterion(matcher(cost), focal_loss(), WEIGHTS, match_num, True)


def random_predictions(queries, layers=2, images=2, seed=0):
    generator = torch.Generator().manual_seed(seed)
    logits = torch.randn(layers, images, queries, 3, generator=generator, dtype=torch.float64)
    boxes = torch.rand(layers, images, queries, 4, generator=generator, dtype=torch.float64)
    return Predictions(logits, boxes * 0.4 + 0.2)


def some_targets():
    boxes = [[0.3, 0.3, 0.2, 0.2], [0.6, 0.5, 0.3, 0.4], [0.5, 0.5, 0.5, 0.5]]
    boxes = torch.tensor(boxes, dtype=torch.float64)
    return Targets([torch.tensor([0, 2]), torch.tensor([1])], [boxes[:2], boxes[2:]])


def test_losses_of_the_second_branch_by_hand():
    """One object of 0.4 x 0.4; both queries of the second branch must answer for it."""
    boxes = [[0.5, 0.5, 0.4, 0.4], [0.5, 0.5, 0.4, 0.4], [0.5, 0.5, 0.4, 0.8]]
    predictions = Predictions(torch.zeros(1, 1, 3, 1), torch.tensor(boxes).view(1, 1, 3, 4))
    targets = Targets([torch.tensor([0])], [torch.tensor([[0.5, 0.5, 0.4, 0.4]])])
    criterion = HybridCriterion(make_criterion(), make_criterion(), 1, copies=2, weight=0.5)
    losses = criterion(predictions, targets, 1.0)
    assert float(losses["loss_bbox"]) == pytest.approx(0, abs=1e-6)
    # L1 of the two: 0 and 0.4; mean over 1 object x 2 copies = 0.2; times 5, times lambda
    assert float(losses["loss_bbox_one2many"]) == pytest.approx(0.5 * 5 * 0.2, abs=1e-6)
    # IoU = GIoU: 1 and 0.16 / 0.32 = 0.5; mean loss 0.25; times 2, times lambda
    assert float(losses["loss_giou_one2many"]) == pytest.approx(0.5 * 2 * 0.25, abs=1e-4)
    # focal loss of p = 0.5 on both: 0.25 x 0.5^2 x ln 2, over 2 copies; times 2, times lambda
    focal = 0.25 * 0.25 * math.log(2)
    assert float(losses["loss_class_one2many"]) == pytest.approx(0.5 * 2 * focal, abs=1e-6)
    assert float(losses["loss_class"]) == pytest.approx(2 * focal, abs=1e-6)


def test_repeated_objects_are_one_to_many_matching():
    predictions, targets = random_predictions(16), some_targets()
    hybrid = HybridCriterion(make_criterion(), make_criterion(), 4, copies=3, weight=0.7)
    losses = hybrid(predictions, targets, 3.0, proposals=random_predictions(9, layers=1, seed=5))
    first, second = predictions.split(4)
    # 12 queries, at most 2 objects: the mixed matcher may copy up to 3 times as well
    many = make_criterion(MixedMatcher, [3, 3, 3])(second, targets, 3.0 * 3)
    one = make_criterion()(first, targets, 3.0)
    for name, loss in one.items():
        torch.testing.assert_close(losses[name], loss)
        torch.testing.assert_close(losses[f"{name}_one2many"], 0.7 * many[name])
    proposals = {"loss_class_enc", "loss_bbox_enc", "loss_giou_enc"}
    assert set(losses) == {*one, *(f"{name}_one2many" for name in one), *proposals}


def test_all_queries_in_both_branches_and_other_heads_for_the_second():
    """One object; the first query fits (L1 0), the second is 0.4 too high (L1 0.4, GIoU 0.5)."""
    boxes = torch.tensor([[0.5, 0.5, 0.4, 0.4], [0.5, 0.5, 0.4, 0.8]]).view(1, 1, 2, 4)
    logits = torch.tensor([5.0, -5.0]).view(1, 1, 2, 1)
    predictions = Predictions(logits, boxes, one2many=torch.zeros(1, 1, 2, 1))
    targets = Targets([torch.tensor([0])], [boxes[0, 0, :1]])
    many = SetCriterion(QualityMatcher(QualityCost(0.7), 0.4), focal_loss(), WEIGHTS, [2, 2])
    hybrid = HybridCriterion(make_criterion(), many, num_queries=None, copies=1)
    losses = hybrid(predictions, targets, 1.0)
    # qualities 0.7 + 0.3 / 2 = 0.85 and 0.35 + 0.15 = 0.5 are enough: both answer for the object
    assert float(losses["loss_bbox_one2many"]) == pytest.approx(5 * 0.4, abs=1e-6)
    focal = 0.25 * 0.25 * math.log(2)  # of p = 0.5, twice; the first branch's logits are others
    assert float(losses["loss_class_one2many"]) == pytest.approx(2 * 2 * focal, abs=1e-6)
    assert float(losses["loss_bbox"]) == 0
    assert float(losses["loss_class"]) < 0.001


def test_a_second_branch_of_the_same_queries_needs_heads():
    hybrid = HybridCriterion(make_criterion(), make_criterion(), num_queries=None, copies=1)
    with pytest.raises(ConfigError, match=r"give model\.decoder\.one2many_head"):
        hybrid(random_predictions(4), some_targets(), 3.0)
    assert len(hybrid.eval().comparisons(random_predictions(4), some_targets())) == 1


@pytest.mark.parametrize("queries", [4, 3])
def test_an_empty_second_branch_costs_nothing(queries):
    criterion = HybridCriterion(make_criterion(), make_criterion(), 4, copies=3)
    losses = criterion(random_predictions(queries), some_targets(), 3.0)
    assert all(float(loss) == 0 for name, loss in losses.items() if name.endswith("_one2many"))
    assert float(losses["loss_class"]) > 0


def test_comparisons_of_both_branches():
    """The second branch knows every object twice, in training only."""
    predictions, targets = random_predictions(10), some_targets()
    hybrid = HybridCriterion(make_criterion(), make_criterion(), 4, copies=2)
    proposals, one, many = hybrid.comparisons(
        predictions, targets, random_predictions(9, layers=1, seed=5)
    )
    assert [part.suffixes for part in (proposals, one, many)] == [
        ["_enc"],
        ["_0", ""],
        ["_0_one2many", "_one2many"],
    ]
    assert (one.copies, many.copies) == (1, 2)
    assert one.targets.sizes == [2, 1]
    assert many.targets.sizes == [4, 2]
    assert many.predictions.boxes.shape[2] == 6
    assert (len(one.assignment), len(many.assignment)) == (2 * 3, 2 * 6)
    assert [part.suffixes for part in hybrid.eval().comparisons(predictions, targets)] == [
        ["_0", ""]
    ]
