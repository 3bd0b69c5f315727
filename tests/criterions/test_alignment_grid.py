"""Targets and weightings of papers after AlignDETR, by hand."""

import math

import pytest
import torch

from aligndetr.criterions import (
    AlignWeighting,
    BestIoUTarget,
    EqualBoxWeights,
    FocalWeighting,
    GIoUTarget,
    GoalBoxWeights,
    IoUTarget,
    MatchabilityWeighting,
    OneTarget,
    QualityFocalWeighting,
    RankWeights,
    SigmoidClassification,
)

LN3 = math.log(3)  # the logit of probability 3/4


def double(*values):
    return torch.tensor(values, dtype=torch.float64)


def logits_of(*values):
    """One layer, one image, a query a row."""
    return torch.tensor([[values]], dtype=torch.float64, requires_grad=True)


def test_a_power_of_the_overlap(make_pairs):
    pairs = make_pairs([[0, 0, 0, 0], [0, 0, 1, 1]], [0, 0], double(0.25, 1.0))
    assert IoUTarget(1.5)(double(0.1, 0.1), pairs).tolist() == [0.125, 1.0]
    assert IoUTarget()(double(0.1, 0.1), pairs).tolist() == [0.25, 1.0]


def test_the_best_box_of_an_image_and_layer_is_certain(make_pairs):
    rows = [[0, 0, 3, 0], [0, 0, 1, 1], [0, 1, 0, 2], [1, 0, 0, 0], [1, 0, 1, 1]]
    pairs = make_pairs(rows, [0] * 5, double(0.5, 0.25, 0.1, 0.2, 0.8))
    # squares 1/4 and 1/16 over 1/4; 0.01 over itself; 0.04 and 0.64 over 0.64
    expected = [1.0, 0.25, 1.0, 0.0625, 1.0]
    assert BestIoUTarget(2.0)(double(*[0.3] * 5), pairs).tolist() == pytest.approx(expected)


def test_no_box_touches_anything_in_an_image(make_pairs):
    pairs = make_pairs([[0, 0, 0, 0]], [0], double(0.0))
    assert BestIoUTarget()(double(0.3), pairs).tolist() == [0.0]
    assert BestIoUTarget()(double(), make_pairs([], [], double())).tolist() == []


def test_boxes_that_miss_are_told_apart(make_pairs):
    pairs = make_pairs([[0, 0, 0, 0], [0, 0, 1, 1], [0, 0, 2, 2]], [0] * 3, double(0.0, 0.0, 1.0))
    pairs.target_boxes = double(0, 0, 1, 1).expand(3, 4)
    pairs.boxes = torch.stack([double(1, 0, 2, 1), double(3, 0, 4, 1), double(0, 0, 1, 1)])
    # hulls of area 2 and 4, unions 2: GIoU 0, -(4 - 2) / 4 = -1/2 and 1
    found = GIoUTarget()(double(0.1, 0.1, 0.1), pairs)
    assert found.tolist() == pytest.approx([1 / 2, 1 / 4, 1.0], abs=1e-5)


def test_quality_focal_weights_by_hand():
    weighting = QualityFocalWeighting(gamma=2.0, positive_factor=0.25, negative_factor=0.75)
    # |0.5 - 0.75|^2 / 4; also when the score is below the target
    assert weighting.positive(double(LN3), double(0.5)).item() == pytest.approx(1 / 64)
    assert weighting.positive(double(LN3), double(1.0)).item() == pytest.approx(1 / 64)
    assert weighting.negative(double(LN3)).item() == pytest.approx(0.75 * 9 / 16)


def test_certain_targets_make_balanced_quality_focal_loss_focal_loss(make_pairs):
    torch.manual_seed(0)
    values = torch.randn(1, 2, 6, 3, dtype=torch.float64)
    pairs = make_pairs([[0, 0, 4, 0], [0, 1, 2, 1]], [2, 0], double(0.3, 0.9))
    losses, gradients = [], []
    for weighting in (FocalWeighting(0.25, 2.0), QualityFocalWeighting(2.0, 0.25, 0.75)):
        logits = values.clone().requires_grad_()
        loss = SigmoidClassification(OneTarget(), weighting)(logits, pairs).loss
        loss.sum().backward()
        losses.append(loss)
        gradients.append(logits.grad)
    assert torch.allclose(*losses, atol=1e-12)
    assert torch.allclose(*gradients, atol=1e-12)


def test_matchability_and_ia_bce_have_equal_values_and_different_gradients(make_pairs):
    # a matched query at probability 3/4 with target 1/4, and one that is not matched
    pairs = make_pairs([[0, 0, 0, 0]], [0], double(0.25))
    found = {}
    for weighting in (AlignWeighting(2.0), MatchabilityWeighting(2.0)):
        logits = logits_of([LN3], [LN3])
        loss = SigmoidClassification(IoUTarget(), weighting)(logits, pairs).loss.sum()
        loss.backward()
        found[type(weighting)] = loss.item(), *logits.grad.flatten().tolist()
    matched = -0.25 * math.log(3 / 4) - 0.75 * math.log(1 / 4)
    other = -(9 / 16) * math.log(1 / 4)
    # detached: p^2 p; kept: that and -2 p^2 (1 - p) log(1 - p)
    plain = (3 / 4) ** 3
    through = plain - 2 * (9 / 16) * (1 / 4) * math.log(1 / 4)
    value, matched_gradient = matched + other, 3 / 4 - 1 / 4
    detached, kept = found[MatchabilityWeighting], found[AlignWeighting]
    assert detached == pytest.approx((value, matched_gradient, plain))
    assert kept == pytest.approx((value, matched_gradient, through))


@pytest.mark.parametrize("value", [-200.0, 200.0])
@pytest.mark.parametrize("target", [IoUTarget(1.5), BestIoUTarget(), GIoUTarget()])
@pytest.mark.parametrize("weighting", [QualityFocalWeighting(), MatchabilityWeighting()])
def test_saturated_logits_stay_finite(make_pairs, value, target, weighting):
    logits = logits_of([value], [value])
    loss = SigmoidClassification(target, weighting)(logits, make_pairs([[0, 0, 0, 0]], [0], [0.7]))
    loss.loss.sum().backward()
    assert torch.isfinite(loss.loss).all()
    assert torch.isfinite(logits.grad).all()


@pytest.mark.parametrize(
    ("box_weights", "expected"),
    [
        (None, [1, math.exp(-0.5)]),  # ranks 0 and 1, tau 2
        (EqualBoxWeights(), [1, 1]),
        (GoalBoxWeights(), [0.8, 0.4 * math.exp(-0.5)]),  # overlap times rank weight
    ],
)
def test_weights_of_box_losses_are_a_choice_of_their_own(make_pairs, box_weights, expected):
    pairs = make_pairs([[0, 0, 0, 0], [0, 0, 1, 0]], [0, 0], double(0.8, 0.4))
    classification = SigmoidClassification(
        IoUTarget(), FocalWeighting(), RankWeights(tau=2.0), box_weights
    )
    found = classification(logits_of([0.0], [0.0]), pairs)
    assert found.weight.tolist() == pytest.approx(expected)
    assert found.goal.tolist() == pytest.approx([0.8, 0.4 * math.exp(-0.5)])
