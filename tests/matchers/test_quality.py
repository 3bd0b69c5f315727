"""Costs that join class and place, and matching by a threshold: by hand and by loops."""

import math

import pytest
import torch

from aligndetr.layers.boxes import cxcywh_to_xyxy, pairwise_iou
from aligndetr.matchers import (
    FocalCost,
    HighOrderCost,
    MatchingCost,
    PositionModulatedCost,
    QualityCost,
    QualityMatcher,
)
from aligndetr.structures import Predictions, Targets

LN3 = math.log(3)  # the logit of probability 3/4
BOX = torch.tensor([[0.5, 0.5, 0.2, 0.2]], dtype=torch.float64)
HALF = torch.tensor([[0.5, 0.5, 0.2, 0.1]], dtype=torch.float64)  # half of it, inside
FAR = torch.tensor([[0.1, 0.5, 0.2, 0.2]], dtype=torch.float64)
LOGITS = torch.full((1, 1), LN3, dtype=torch.float64)
LABEL = torch.tensor([0])


def test_high_order_and_quality_cost_by_hand():
    # u = 1/2: -3/4 (1/2)^4 and -(0.7 / 2 + 0.3 * 3/4)
    assert HighOrderCost()(LOGITS, BOX, LABEL, HALF).item() == pytest.approx(-3 / 64, abs=1e-5)
    assert QualityCost()(LOGITS, BOX, LABEL, HALF).item() == pytest.approx(-0.575, abs=1e-4)


def test_position_modulates_the_class_term_by_hand():
    # two objects of one class, the query on the first (GIoU 1) and 0.4 beside the second: union
    # 0.08, hull 0.6 x 0.2 = 0.12, GIoU 0 - 0.04 / 0.12 = -1/3, v = 1/3; the largest v is 1
    targets, labels = torch.cat([BOX, FAR]), torch.tensor([0, 0])
    cost = PositionModulatedCost(FocalCost(), 1.0, 0.0, 0.0, beta=0.5)
    near, far = cost(LOGITS, BOX, labels, targets)[0].tolist()

    def focal(p):
        return -0.25 * (1 - p) ** 2 * math.log(p) + 0.75 * p**2 * math.log(1 - p)

    assert near == pytest.approx(focal(3 / 4), abs=1e-4)
    assert far == pytest.approx(focal(3 / 4 * math.sqrt(1 / 3)), abs=1e-4)
    # alone, the far one is the best of its image and counts in full
    alone = cost(LOGITS, BOX, LABEL, FAR).item()
    assert alone == pytest.approx(focal(3 / 4), abs=1e-4)


def test_position_does_not_change_the_box_terms():
    torch.manual_seed(0)
    logits, boxes = torch.randn(2, 9, 4), torch.rand(2, 9, 4) * 0.4 + 0.1
    labels, targets = torch.tensor([3, 0, 0]), torch.rand(3, 4) * 0.4 + 0.1
    plain = MatchingCost(FocalCost(), 0.0, 5.0, 2.0)(logits, boxes, labels, targets)
    modulated = PositionModulatedCost(FocalCost(), 0.0, 5.0, 2.0)(logits, boxes, labels, targets)
    assert torch.equal(plain, modulated)
    nothing = PositionModulatedCost(FocalCost())(logits, boxes, labels[:0], targets[:0])
    assert nothing.shape == (2, 9, 0)


def by_loops(quality, threshold, k):
    """Which query answers for which object, one decision at a time."""
    num_queries, num_objects = quality.shape
    favourite = [max(range(num_objects), key=lambda g: quality[q, g]) for q in range(num_queries)]
    chosen = [q for q in range(num_queries) if quality[q, favourite[q]] >= threshold]
    chosen += [max(range(num_queries), key=lambda q: quality[q, g]) for g in range(num_objects)]
    pairs = []
    for g in range(num_objects):
        mine = sorted({q for q in chosen if favourite[q] == g}, key=lambda q: -quality[q, g])
        pairs += [(q, g) for q in sorted(mine[:k])]
    return pairs


@pytest.mark.parametrize("k", [1, 3])
@pytest.mark.parametrize("threshold", [0.2, 0.45, 2.0])
def test_a_query_takes_what_it_suits_best(threshold, k):
    generator = torch.Generator().manual_seed(3)
    predictions = Predictions(
        torch.randn(2, 2, 20, 3, generator=generator),
        torch.rand(2, 2, 20, 4, generator=generator) * 0.5 + 0.2,
    )
    sizes = [4, 0]
    targets = Targets(
        [torch.randint(0, 3, (n,), generator=generator) for n in sizes],
        [torch.rand(n, 4, generator=generator) * 0.5 + 0.2 for n in sizes],
    )
    found = QualityMatcher(QualityCost(0.7), threshold)(predictions, targets, [k, k])
    assert found.image.eq(0).all()
    for layer in range(2):
        boxes = cxcywh_to_xyxy(predictions.boxes[layer, 0])
        iou, _ = pairwise_iou(boxes, cxcywh_to_xyxy(targets.boxes[0]))
        probability = predictions.logits[layer, 0][:, targets.labels[0]].sigmoid()
        expected = by_loops(0.7 * iou + 0.3 * probability, threshold, k)
        mine = found.layer == layer
        assert (
            list(zip(found.query[mine].tolist(), found.target[mine].tolist(), strict=True))
            == expected
        )
