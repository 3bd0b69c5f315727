import math

import pytest
import torch

from aligndetr.criterions import AlignLoss, FocalLoss
from aligndetr.matchers import Assignment


def one_pair(query=0, target=0):
    return Assignment(*torch.tensor([[0], [0], [query], [target], [0]]))


def no_pairs():
    return Assignment(*torch.zeros(5, 0, dtype=torch.int64))


def double(*values):
    return torch.tensor(values, dtype=torch.float64)


def test_align_loss_by_hand():
    # one query, two classes, both logits 0 (p = 1/2), matched to class 1 with IoU 0.81
    logits = torch.zeros(1, 1, 1, 2, dtype=torch.float64)
    loss, weight = AlignLoss(alpha=0.5, gamma=2.0, tau=1.5)(
        logits, torch.tensor([1]), double(0.81), one_pair()
    )
    t = math.sqrt(0.5) * 0.9  # p^0.5 u^0.5
    matched = -t * math.log(0.5) - (1 - t) * math.log(0.5)  # = ln 2
    other = -(0.5**2) * math.log(0.5)
    assert loss.item() == pytest.approx(matched + other, abs=1e-12)
    assert weight.item() == 1.0


def test_align_loss_ranks_candidates():
    # two candidates of one object, IoU 1 and 0.25, logits 0: t = 0.5^0.5 * (1, 0.5)
    logits = torch.zeros(1, 1, 2, 1, dtype=torch.float64)
    pairs = Assignment(*torch.tensor([[0, 0], [0, 0], [0, 1], [0, 0], [0, 0]]))
    loss, weight = AlignLoss(alpha=0.5, gamma=2.0, tau=2.0)(
        logits, torch.tensor([0, 0]), double(0.25, 1.0), pairs
    )
    assert weight.tolist() == pytest.approx([math.exp(-0.5), 1.0])  # the second one is better
    # -t' ln(1/2) - (1 - t') ln(1/2) = ln 2 for any t'
    assert loss.item() == pytest.approx(2 * math.log(2), abs=1e-12)


def test_align_target_is_at_least_a_hundredth_and_carries_no_gradient():
    logits = torch.full((1, 1, 1, 1), -3.0, dtype=torch.float64, requires_grad=True)
    loss, _ = AlignLoss()(logits, torch.tensor([0]), double(0.0), one_pair())
    loss.sum().backward()
    p = 1 / (1 + math.exp(3))
    # t' = 0.01: d/dx [-t' log p - (1 - t') log(1 - p)] = p - t'
    assert logits.grad.item() == pytest.approx(p - 0.01, abs=1e-12)


def test_negative_weight_keeps_its_gradient():
    logits = torch.full((1, 1, 1, 1), 0.4, dtype=torch.float64, requires_grad=True)
    loss, _ = AlignLoss(gamma=2.0)(logits, torch.empty(0, dtype=torch.int64), double(), no_pairs())
    loss.sum().backward()
    p = 1 / (1 + math.exp(-0.4))
    # d/dx [-p^2 log(1 - p)] = -2 p^2 (1 - p) log(1 - p) + p^3
    expected = -2 * p**2 * (1 - p) * math.log(1 - p) + p**3
    assert logits.grad.item() == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("value", [-200.0, -90.0, 20.0, 200.0])
def test_saturated_logits_stay_finite(value):
    for loss_function in (AlignLoss(), FocalLoss()):
        logits = torch.full((1, 1, 2, 2), value, requires_grad=True)
        loss, _ = loss_function(logits, torch.tensor([1]), torch.tensor([0.7]), one_pair())
        loss.sum().backward()
        assert torch.isfinite(loss).all()
        assert torch.isfinite(logits.grad).all()


def test_focal_loss_by_hand():
    logits = torch.zeros(1, 1, 1, 2, dtype=torch.float64)
    loss, weight = FocalLoss(alpha=0.25, gamma=2.0)(
        logits, torch.tensor([0]), double(0.5), one_pair()
    )
    # matched: 0.25 * (1/2)^2 * ln 2; other: 0.75 * (1/2)^2 * ln 2
    assert loss.item() == pytest.approx(0.25 * math.log(2), abs=1e-12)
    assert weight.item() == 1.0
