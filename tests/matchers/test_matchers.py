import itertools
import math

import pytest
import torch

from aligndetr.errors import ConfigError
from aligndetr.matchers import (
    Assignment,
    FocalCost,
    HighOrderCost,
    HungarianMatcher,
    MatchingCost,
    MixedMatcher,
    PositionModulatedCost,
    ProbabilityCost,
    QualityCost,
)
from aligndetr.matchers.hungarian import assign
from aligndetr.structures import Predictions, Targets


def random_case(sizes, num_queries=12, num_layers=2, num_classes=4, seed=0):
    generator = torch.Generator().manual_seed(seed)
    predictions = Predictions(
        torch.randn(num_layers, len(sizes), num_queries, num_classes, generator=generator),
        torch.rand(num_layers, len(sizes), num_queries, 4, generator=generator) * 0.5 + 0.1,
    )
    targets = Targets(
        [torch.randint(0, num_classes, (n,), generator=generator) for n in sizes],
        [torch.rand(n, 4, generator=generator) * 0.5 + 0.1 for n in sizes],
    )
    return predictions, targets


def make(matcher):
    return matcher(MatchingCost(FocalCost()))


def pairs(assignment, layer, image):
    mine = (assignment.layer == layer) & (assignment.image == image)
    return list(zip(assignment.query[mine].tolist(), assignment.target[mine].tolist(), strict=True))


@pytest.mark.parametrize(
    "cost",
    [
        MatchingCost(FocalCost()),
        MatchingCost(ProbabilityCost()),
        PositionModulatedCost(FocalCost()),
        HighOrderCost(),
        QualityCost(),
    ],
    ids=lambda cost: type(cost).__name__,
)
def test_costs_of_a_batch_are_those_of_its_images(cost):
    predictions, targets = random_case([3, 1, 0, 5])
    costs = HungarianMatcher(cost)._costs(predictions, targets)
    assert [tuple(each.shape) for each in costs] == [(2, 12, 3), (2, 12, 1), (2, 12, 0), (2, 12, 5)]
    for image, found in enumerate(costs):
        one = (predictions.logits[:, image], predictions.boxes[:, image])
        alone = cost(*one, targets.labels[image], targets.boxes[image])
        torch.testing.assert_close(found, alone)


def test_focal_cost_by_hand():
    # logit 0: p = 1/2; yes = 0.25 * 1/4 * ln 2, no = 0.75 * 1/4 * ln 2; difference = -1/8 ln 2
    cost = FocalCost(0.25, 2.0)(torch.zeros(1, 3, dtype=torch.float64), torch.tensor([1]))
    assert cost.item() == pytest.approx(-0.125 * math.log(2), abs=1e-7)


def test_probability_cost_by_hand():
    # softmax of (ln 3, 0) is (3/4, 1/4)
    logits = torch.tensor([[math.log(3), 0.0]], dtype=torch.float64)
    assert ProbabilityCost()(logits, torch.tensor([0])).item() == pytest.approx(-0.75)


def test_cost_weights_by_hand():
    box = torch.tensor([[0.5, 0.5, 0.2, 0.2]], dtype=torch.float64)
    moved = torch.tensor([[0.6, 0.5, 0.2, 0.2]], dtype=torch.float64)
    # L1 = 0.1; overlap 0.1 x 0.2 = 0.02, union 0.04 + 0.04 - 0.02 = 0.06, hull 0.3 x 0.2 = 0.06:
    # giou = 1/3 - 0; class -1/8 ln 2
    cost = MatchingCost(FocalCost(), class_weight=2, bbox_weight=5, giou_weight=3)
    value = cost(torch.zeros(1, 1, dtype=torch.float64), box, torch.tensor([0]), moved)
    expected = 2 * -0.125 * math.log(2) + 5 * 0.1 - 3 / 3
    assert value.item() == pytest.approx(expected, abs=1e-4)


def test_assignment_is_cheapest_of_all():
    torch.manual_seed(0)
    cost = torch.rand(5, 3)
    query, target = assign(cost)
    best = min(
        sum(cost[q, g].item() for g, q in enumerate(choice))
        for choice in itertools.permutations(range(5), 3)
    )
    assert cost[query, target].sum().item() == pytest.approx(best)
    assert target.tolist() == [0, 1, 2]


def test_copies_get_the_next_best_queries():
    cost = torch.tensor([[0.0, 9.0], [1.0, 9.0], [9.0, 0.0], [9.0, 1.0], [5.0, 5.0]])
    query, target = assign(cost, copies=2)
    assert list(zip(query.tolist(), target.tolist(), strict=True)) == [
        (0, 0),
        (1, 0),
        (2, 1),
        (3, 1),
    ]


def test_each_layer_and_image_is_matched_on_its_own():
    predictions, targets = random_case([3, 0, 2])
    together = make(MixedMatcher)(predictions, targets, [2, 1])
    for image, offset in ((0, 0), (2, 3)):
        alone = Predictions(predictions.logits[:, [image]], predictions.boxes[:, [image]])
        target = Targets([targets.labels[image]], [targets.boxes[image]])
        single = make(MixedMatcher)(alone, target, [2, 1])
        for layer in (0, 1):
            expected = [(q, t + offset) for q, t in pairs(single, layer, 0)]
            assert pairs(together, layer, image) == expected
    assert pairs(together, 0, 1) == []


@pytest.mark.parametrize(
    ("size", "k", "copies"),
    [(2, 3, 3), (3, 3, 2), (5, 3, 1), (6, 3, 1), (7, 3, 1), (12, 2, 1)],
)
def test_crowded_images_get_fewer_copies_but_never_none(size, k, copies):
    # 12 queries: floor(12 / (2 G)) = 3, 2, 1, 1, 0, 0 for G = 2, 3, 5, 6, 7, 12; at least 1
    predictions, targets = random_case([size], num_layers=1)
    assert len(make(MixedMatcher)(predictions, targets, [k])) == size * copies


def test_a_crowded_image_does_not_change_its_neighbours():
    predictions, targets = random_case([8, 2], num_layers=1)
    assignment = make(MixedMatcher)(predictions, targets, [3])
    assert (assignment.image == 0).sum() == 8  # floor(12 / 16) = 0 -> 1 copy
    assert (assignment.image == 1).sum() == 6


def test_more_objects_than_queries_matches_every_query():
    predictions, targets = random_case([15], num_layers=1)
    assignment = make(MixedMatcher)(predictions, targets, [2])
    assert sorted(assignment.query.tolist()) == list(range(12))
    assert len(set(assignment.target.tolist())) == 12


def test_no_objects_at_all():
    predictions, targets = random_case([0, 0])
    assignment = make(MixedMatcher)(predictions, targets, [2, 1])
    assert len(assignment) == 0
    assert assignment.ranks(torch.zeros(0)).shape == (0,)


def test_not_a_number_does_not_stop_matching():
    predictions, targets = random_case([3], num_layers=1)
    predictions.logits[0, 0, 0] = float("nan")
    assignment = make(HungarianMatcher)(predictions, targets)
    assert 0 not in assignment.query.tolist()
    assert len(assignment) == 3


def test_wrong_number_of_match_num():
    predictions, targets = random_case([3])
    with pytest.raises(ConfigError, match="one entry for each of 2"):
        make(MixedMatcher)(predictions, targets, [2])
    with pytest.raises(ConfigError, match=r"one-to-one, match_num asks for 2 .* MixedMatcher"):
        make(HungarianMatcher)(predictions, targets, [1, 2])
    with pytest.raises(ConfigError, match=r"whole numbers of at least 1.*\[1, -2\]"):
        make(MixedMatcher)(predictions, targets, [1, -2])


def test_ranks_by_hand():
    columns = torch.tensor(
        # layer, image, query, target, group
        [
            [0, 0, 5, 0, 0],  # bag A: 0.3 -> second
            [0, 0, 2, 0, 0],  # bag A: 0.9 -> first
            [0, 0, 7, 1, 0],  # bag B: 0.01, tie, higher query -> second
            [0, 0, 1, 1, 0],  # bag B: 0.01, tie, lower query -> first
            [0, 0, 4, 0, 0],  # bag A: 0.1 -> third: bags may differ in size
            [1, 0, 9, 0, 0],  # other layer: alone
            [1, 0, 8, 0, 1],  # other group: alone
        ]
    )
    quality = torch.tensor([0.3, 0.9, 0.01, 0.01, 0.1, 0.2, 0.1])
    assert Assignment(*columns.T).ranks(quality).tolist() == [1, 0, 1, 0, 2, 0, 0]
