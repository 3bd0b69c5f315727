"""The pairs of the viewer, against all possible matchings."""

import itertools
import math

import numpy as np
import pytest
import torch

from aligndetr.criterions import (
    NoObjectCrossEntropy,
    SetCriterion,
    align_loss,
    focal_loss,
    varifocal_loss,
)
from aligndetr.explanation.inspection import matched_layers
from aligndetr.matchers import FocalCost, MatchingCost, MixedMatcher, ProbabilityCost
from aligndetr.structures import Predictions, Targets

WEIGHTS = {"class": 1.0, "bbox": 5.0, "giou": 2.0}
TAU, ALPHA = 1.5, 0.25
BOXES = np.array([[0.3, 0.4, 0.2, 0.3], [0.7, 0.6, 0.3, 0.2]])
LABELS = [1, 0]


@pytest.fixture
def predictions():
    """Two layers of eight queries, around the two objects."""
    rng = np.random.default_rng(3)
    boxes = BOXES[[0, 1, 0, 1, 0, 1, 0, 1]] + rng.uniform(-0.06, 0.06, (2, 1, 8, 4))
    logits = rng.normal(0, 2, (2, 1, 8, 2))
    return Predictions(torch.tensor(logits).float(), torch.tensor(boxes).float())


@pytest.fixture
def targets():
    return Targets([torch.tensor(LABELS)], [torch.tensor(BOXES).float()])


def criterion(match_num, classification=None, cost=None, **options):
    cost = cost or MatchingCost(FocalCost(), 2.0, 5.0, 2.0)
    loss = classification or align_loss(ALPHA, 2.0, TAU)
    return SetCriterion(MixedMatcher(cost), loss, WEIGHTS, match_num, **options).eval()


def match(criterion, predictions, targets):
    return [layer.pairs for layer in matched_layers(criterion.comparisons(predictions, targets), 1)]


def corners(box):
    x, y, w, h = box
    return x - w / 2, y - h / 2, x + w / 2, y + h / 2


def overlap(a, b):
    """IoU and generalised IoU of two boxes, in plain numbers."""
    a, b = corners(a), corners(b)
    area = [(c[2] - c[0]) * (c[3] - c[1]) for c in (a, b)]
    wide = min(a[2], b[2]) - max(a[0], b[0])
    high = min(a[3], b[3]) - max(a[1], b[1])
    inside = max(wide, 0) * max(high, 0)
    union = sum(area) - inside
    hull = (max(a[2], b[2]) - min(a[0], b[0])) * (max(a[3], b[3]) - min(a[1], b[1]))
    return inside / union, inside / union - (hull - union) / hull


def focal_cost(p):
    return -0.25 * (1 - p) ** 2 * math.log(p) + 0.75 * p**2 * math.log(1 - p)


def cheapest(logits, boxes, labels, copies):
    """The set of (query, object) pairs at least cost, by trying all of them."""
    cost = np.zeros((len(boxes), len(BOXES)))
    for query, thing in itertools.product(range(len(boxes)), range(len(BOXES))):
        p = 1 / (1 + math.exp(-logits[query][labels[thing]]))
        l1 = np.abs(boxes[query] - BOXES[thing]).sum()
        cost[query, thing] = 2 * focal_cost(p) + 5 * l1 - 2 * overlap(boxes[query], BOXES[thing])[1]
    columns = list(range(len(BOXES))) * copies
    tries = itertools.permutations(range(len(boxes)), len(columns))
    best = min(tries, key=lambda qs: sum(cost[q, c] for q, c in zip(qs, columns, strict=True)))
    return set(zip(best, columns, strict=True))


def expected_order(found, logits, boxes, labels):
    """(query, thing, score, iou, rank), by thing and then by t = p^alpha u^(1 - alpha)."""
    rows = []
    for thing in range(len(BOXES)):
        bag = []
        for query in (q for q, c in found if c == thing):
            p = 1 / (1 + math.exp(-logits[query][labels[thing]]))
            iou = overlap(boxes[query], BOXES[thing])[0]
            bag.append((p**ALPHA * iou ** (1 - ALPHA), query, p, iou))
        bag.sort(reverse=True)
        rows += [(query, thing, p, iou, rank, t) for rank, (t, query, p, iou) in enumerate(bag)]
    return rows


def test_pairs_are_the_cheapest_of_all_matchings(predictions, targets):
    layers = match(criterion([1, 2, 1]), predictions, targets)
    assert [len(pairs) for pairs in layers] == [4, 2]
    for layer, (pairs, copies) in enumerate(zip(layers, (2, 1), strict=True)):
        logits, boxes = predictions.logits[layer, 0].tolist(), predictions.boxes[layer, 0].numpy()
        rows = expected_order(cheapest(logits, boxes, LABELS, copies), logits, boxes, LABELS)
        assert [(p.query, p.thing, p.rank) for p in pairs] == [(r[0], r[1], r[4]) for r in rows]
        for pair, (_, _, score, iou, rank, t) in zip(pairs, rows, strict=True):
            weight = math.exp(-rank / TAU)
            assert pair.score == pytest.approx(score, abs=1e-5)
            assert pair.iou == pytest.approx(iou, abs=1e-4)
            assert pair.weight == pytest.approx(weight, abs=1e-6)
            assert pair.goal == pytest.approx(t * weight, abs=1e-4)


def test_rank_0_has_the_highest_goal_not_the_best_box(targets):
    one = Targets([targets.labels[0][:1]], [targets.boxes[0][:1]])
    boxes = torch.tensor(BOXES[[0, 0, 1, 1]]).float()  # the last two are elsewhere
    boxes[1, 0] += 0.05  # IoU 1 and (0.2 - 0.05) / (0.2 + 0.05) = 0.6
    # p = 0.0003 and 0.95: t = 0.135 and 0.95^0.25 * 0.6^0.75 = 0.67
    logits = torch.tensor([[-9.0, -8.0], [-9.0, 3.0], [-9.0, -9.0], [-9.0, -9.0]])
    [[best, other]] = match(
        criterion([1, 2]), Predictions(logits[None, None], boxes[None, None]), one
    )
    assert (best.query, best.rank, other.query, other.rank) == (1, 0, 0, 1)
    assert best.goal == pytest.approx(0.67, abs=0.01)
    assert other.goal == pytest.approx(0.135 * math.exp(-1 / TAU), abs=0.001)


def test_focal_loss_weighs_alike_and_aims_at_certainty(predictions, targets):
    for pairs in match(criterion(None, focal_loss()), predictions, targets):
        assert [(p.rank, p.weight, p.goal) for p in pairs] == [(0, 1.0, 1.0)] * 2


def test_varifocal_loss_aims_at_the_overlap(predictions, targets):
    for pairs in match(criterion(None, varifocal_loss()), predictions, targets):
        assert all(pair.goal == pair.iou for pair in pairs)


def test_early_exit_leaves_the_last_entries_of_match_num_unused(predictions, targets):
    first = Predictions(predictions.logits[:1], predictions.boxes[:1])
    both = match(criterion([1, 2, 1]), predictions, targets)
    assert match(criterion([1, 2, 1]), first, targets) == both[:1]


def test_proposals_are_layer_0_and_have_their_own_number(predictions, targets):
    first = Predictions(predictions.logits[:1], predictions.boxes[:1])
    for match_num, expected in (([2, 1, 1], 4), ([1, 2, 1], 2), (None, 2)):
        compared = criterion(match_num).comparisons(predictions, targets, first)
        layers = matched_layers(compared, 0)
        assert [layer.index for layer in layers] == [0, 1, 2]
        assert len(layers[0].pairs) == expected


def test_class_agnostic_proposals_are_scored_by_channel_0(predictions, targets):
    first = Predictions(predictions.logits[:1], predictions.boxes[:1])
    agnostic = criterion([1, 1, 1], focal_loss(), class_agnostic_proposals=True)
    layers = matched_layers(agnostic.comparisons(predictions, targets, first), 0)
    assert [layer.index for layer in layers] == [0, 1, 2]
    logits, boxes = first.logits[0, 0].tolist(), first.boxes[0, 0].numpy()
    found = cheapest(logits, boxes, [0, 0], 1)
    assert {(p.query, p.thing) for p in layers[0].pairs} == found
    for pair in layers[0].pairs:
        assert pair.score == pytest.approx(1 / (1 + math.exp(-logits[pair.query][0])), abs=1e-5)


def test_softmax_scores_where_one_class_is_no_object(predictions, targets):
    logits = torch.cat([predictions.logits, torch.ones(2, 1, 8, 1)], dim=-1)
    with_nothing = Predictions(logits, predictions.boxes)
    softmax = criterion(None, NoObjectCrossEntropy(), MatchingCost(ProbabilityCost(), 1, 5, 2))
    for layer, pairs in enumerate(match(softmax, with_nothing, targets)):
        for pair in pairs:
            row = np.exp(logits[layer, 0, pair.query].double().numpy())
            assert pair.score == pytest.approx(row[LABELS[pair.thing]] / row.sum(), abs=1e-5)
