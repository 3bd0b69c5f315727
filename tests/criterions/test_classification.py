import math

import pytest
import torch
from torch.nn import functional as F

from aligndetr.criterions import Pairs, align_loss, focal_loss, varifocal_loss
from aligndetr.matchers import Assignment

ONE = [[0, 0, 0, 0]]


def double(*values):
    return torch.tensor(values, dtype=torch.float64)


def test_align_loss_by_hand(make_pairs):
    # one query, two classes, both logits 0 (p = 1/2), matched to class 1 with IoU 0.81
    logits = torch.zeros(1, 1, 1, 2, dtype=torch.float64)
    found = align_loss(alpha=0.5, gamma=2.0, tau=1.5)(logits, make_pairs(ONE, [1], double(0.81)))
    t = math.sqrt(0.5) * 0.9  # p^0.5 u^0.5
    matched = -t * math.log(0.5) - (1 - t) * math.log(0.5)  # = ln 2
    other = -(0.5**2) * math.log(0.5)
    assert found.loss.item() == pytest.approx(matched + other, abs=1e-12)
    assert found.goal.item() == pytest.approx(t, abs=1e-12)
    assert (found.score.item(), found.weight.item()) == (0.5, 1.0)


def test_align_loss_ranks_candidates(make_pairs):
    # two candidates of one object, IoU 1/4 and 1, logits 0: t = 0.5^0.5 * (1/2, 1)
    logits = torch.zeros(1, 1, 2, 1, dtype=torch.float64)
    pairs = make_pairs([[0, 0, 0, 0], [0, 0, 1, 0]], [0, 0], double(0.25, 1.0))
    found = align_loss(alpha=0.5, gamma=2.0, tau=2.0)(logits, pairs)
    less = math.exp(-0.5)  # of the first one, which is worse
    assert found.weight.tolist() == pytest.approx([less, 1.0])
    assert found.goal.tolist() == pytest.approx([math.sqrt(0.5) / 2 * less, math.sqrt(0.5)])
    # -t' ln(1/2) - (1 - t') ln(1/2) = ln 2 for any t'
    assert found.loss.item() == pytest.approx(2 * math.log(2), abs=1e-12)


def test_align_target_is_at_least_a_hundredth_and_carries_no_gradient(make_pairs):
    logits = torch.full((1, 1, 1, 1), -3.0, dtype=torch.float64, requires_grad=True)
    align_loss()(logits, make_pairs(ONE, [0], double(0.0))).loss.sum().backward()
    p = 1 / (1 + math.exp(3))
    # t' = 0.01: d/dx [-t' log p - (1 - t') log(1 - p)] = p - t'
    assert logits.grad.item() == pytest.approx(p - 0.01, abs=1e-12)


def test_negative_weight_keeps_its_gradient(make_pairs):
    logits = torch.full((1, 1, 1, 1), 0.4, dtype=torch.float64, requires_grad=True)
    align_loss(gamma=2.0)(logits, make_pairs([], [], double())).loss.sum().backward()
    p = 1 / (1 + math.exp(-0.4))
    # d/dx [-p^2 log(1 - p)] = -2 p^2 (1 - p) log(1 - p) + p^3
    expected = -2 * p**2 * (1 - p) * math.log(1 - p) + p**3
    assert logits.grad.item() == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("value", [-200.0, -90.0, 20.0, 200.0])
def test_saturated_logits_stay_finite(make_pairs, value):
    for classification in (align_loss(), focal_loss(), varifocal_loss()):
        logits = torch.full((1, 1, 2, 2), value, requires_grad=True)
        loss = classification(logits, make_pairs(ONE, [1], [0.7])).loss
        loss.sum().backward()
        assert torch.isfinite(loss).all()
        assert torch.isfinite(logits.grad).all()


def test_focal_loss_by_hand(make_pairs):
    logits = torch.zeros(1, 1, 1, 2, dtype=torch.float64)
    found = focal_loss(alpha=0.25, gamma=2.0)(logits, make_pairs(ONE, [0], double(0.5)))
    # matched: 0.25 * (1/2)^2 * ln 2; other: 0.75 * (1/2)^2 * ln 2
    assert found.loss.item() == pytest.approx(0.25 * math.log(2), abs=1e-12)
    assert (found.score.item(), found.goal.item(), found.weight.item()) == (0.5, 1.0, 1.0)


def test_varifocal_loss_by_hand(make_pairs):
    logits = torch.tensor([[[[0.0, math.log(3.0)], [math.log(0.25), 0.0]]]]).double()
    logits.requires_grad_()  # probabilities 1/2, 3/4 and 1/5, 1/2
    found = varifocal_loss(alpha=0.75, gamma=2.0)(logits, make_pairs(ONE, [1], double(0.6)))
    # query 0 is an object of class 1 with overlap 0.6
    matched = 0.6 * -(0.6 * math.log(3 / 4) + 0.4 * math.log(1 / 4))
    unmatched = sum(0.75 * p**2 * -math.log(1 - p) for p in (1 / 2, 1 / 5, 1 / 2))
    assert found.loss.tolist() == pytest.approx([matched + unmatched])
    assert (found.goal.tolist(), found.weight.tolist()) == ([0.6], [1.0])
    found.loss.sum().backward()
    # d/dx of -log(1 - p) is p, p^2 is a constant; of the matched entry 0.6 (p - 0.6)
    expected = [0.75 * 0.5**3, 0.6 * (0.75 - 0.6), 0.75 * 0.2**3, 0.75 * 0.5**3]
    assert logits.grad.flatten().tolist() == pytest.approx(expected)


# --- each loss written out, as a formula of its own -----------------------------------------------


def written_focal(logits, pairs, alpha, gamma):
    where = (*pairs.assignment.where, pairs.labels)
    matched = logits[where]
    negative = (1 - alpha) * logits.sigmoid() ** gamma * -F.logsigmoid(-logits)
    positive = alpha * matched.neg().sigmoid() ** gamma * -F.logsigmoid(matched)
    return negative.index_put(where, positive).sum((1, 2, 3)), torch.ones_like(pairs.iou)


def written_varifocal(logits, pairs, alpha, gamma):
    where, iou = (*pairs.assignment.where, pairs.labels), pairs.iou
    matched = logits[where]
    negative = alpha * logits.detach().sigmoid() ** gamma * -F.logsigmoid(-logits)
    positive = iou * (-iou * F.logsigmoid(matched) - (1 - iou) * F.logsigmoid(-matched))
    return negative.index_put(where, positive).sum((1, 2, 3)), torch.ones_like(iou)


def written_align(logits, pairs, alpha, gamma, tau):
    where = (*pairs.assignment.where, pairs.labels)
    matched = logits[where]
    quality = matched.detach().sigmoid() ** alpha * pairs.iou ** (1 - alpha)
    quality = quality.clamp(min=0.01)
    weight = torch.exp(-pairs.assignment.ranks(quality).to(quality.dtype) / tau)
    goal = quality * weight
    negative = logits.sigmoid() ** gamma * -F.logsigmoid(-logits)
    positive = -goal * F.logsigmoid(matched) - (1 - goal) * F.logsigmoid(-matched)
    return negative.index_put(where, positive).sum((1, 2, 3)), weight


@pytest.mark.parametrize("kind", [torch.float32, torch.float64])
@pytest.mark.parametrize("gamma", [2.0, 1.5])
@pytest.mark.parametrize(
    ("composed", "written", "arguments"),
    [
        (focal_loss, written_focal, {"alpha": 0.3}),
        (varifocal_loss, written_varifocal, {"alpha": 0.6}),
        (align_loss, written_align, {"alpha": 0.3, "tau": 1.7}),
    ],
)
def test_parts_give_the_bits_of_the_formula(composed, written, arguments, gamma, kind):
    generator = torch.Generator().manual_seed(7)
    logits = 6 * torch.randn(3, 2, 40, 5, generator=generator, dtype=kind)
    # every query of every layer at most once; several for an object
    flat = torch.randperm(3 * 2 * 40, generator=generator)[:60]
    image = flat // 40 % 2
    target = 3 * image + torch.randint(0, 3, (60,), generator=generator)
    rows = Assignment(flat // 80, image, flat % 40, target, torch.zeros_like(flat))
    iou = torch.rand(60, generator=generator, dtype=kind)
    iou[:5] = 0  # no overlap at all
    box = torch.zeros(60, 4, dtype=kind)
    pairs = Pairs(rows, torch.randint(0, 5, (60,), generator=generator), box, box, iou)
    gradients, results = [], []
    for loss in (
        lambda x: composed(gamma=gamma, **arguments)(x, pairs),
        lambda x: written(x, pairs, gamma=gamma, **arguments),
    ):
        x = logits.clone().requires_grad_()
        found = loss(x)
        value, weight = found if isinstance(found, tuple) else (found.loss, found.weight)
        (value * torch.tensor([1.0, 0.3, 0.7], dtype=kind)).sum().backward()
        results.append((value, weight))
        gradients.append(x.grad)
    for ours, expected in zip(*results, strict=True):
        assert torch.equal(ours, expected)
    assert torch.equal(*gradients)
