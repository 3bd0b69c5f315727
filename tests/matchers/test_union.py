"""The union of the pairs of all layers, by hand."""

import pytest
import torch

from aligndetr.criterions import SetCriterion, focal_loss
from aligndetr.matchers import (
    Assignment,
    FocalCost,
    HungarianMatcher,
    MatchingCost,
    UnionOverLayers,
)
from aligndetr.structures import Predictions, Targets


def pairs(*rows):
    """Of (layer, image, query, target)."""
    columns = torch.tensor(rows, dtype=torch.int64).view(-1, 4).T
    return Assignment(*columns, torch.zeros_like(columns[0]))


def as_set(assignment):
    columns = (assignment.layer, assignment.image, assignment.query, assignment.target)
    rows = torch.stack(columns, 1).tolist()
    assert len(rows) == len({tuple(row) for row in rows})
    return {tuple(row) for row in rows}


def test_every_layer_has_the_pairs_of_all():
    found, weight = UnionOverLayers()(pairs((0, 0, 3, 0), (1, 0, 5, 0), (0, 1, 3, 1)), 2)
    union = {(0, 3, 0), (0, 5, 0), (1, 3, 1)}  # query 3 of another image is another query
    assert as_set(found) == {(layer, *pair) for layer in (0, 1) for pair in union}
    assert weight == pytest.approx(3 / 6)  # three pairs before, six now: sums keep their size
    assert found.group.tolist() == [0] * 6


def test_a_query_keeps_the_object_of_most_layers_and_of_equals_the_first():
    rows = [(0, 0, 3, 0), (1, 0, 3, 1), (2, 0, 3, 1)]  # object 1 twice, 0 once
    rows += [(0, 0, 4, 1), (1, 0, 4, 0)]  # one each
    found, _ = UnionOverLayers()(pairs(*rows), 3)
    expected = {(0, 3, 1), (0, 4, 0)}
    assert as_set(found) == {(layer, *pair) for layer in range(3) for pair in expected}


def test_no_objects():
    found, weight = UnionOverLayers()(pairs(), 3)
    assert len(found) == 0
    assert weight == 0


def test_boxes_of_both_queries_learn_in_both_layers():
    criterion = SetCriterion(
        HungarianMatcher(MatchingCost(FocalCost())),
        focal_loss(),
        {"class": 1.0, "bbox": 5.0, "giou": 2.0},
        box_assignment=UnionOverLayers(),
    )
    exact, near = [0.5, 0.5, 0.2, 0.2], [0.5, 0.6, 0.2, 0.2]
    boxes = torch.tensor([[exact, near], [near, exact]], dtype=torch.float64)[:, None]
    logits = torch.zeros(2, 1, 2, 1, dtype=torch.float64)
    targets = Targets([torch.tensor([0])], [torch.tensor([exact], dtype=torch.float64)])
    losses = criterion(Predictions(logits, boxes), targets, 1.0)
    # layer 0 matches query 0, layer 1 query 1; of both queries one is off by 0.1, weight 2 / 4
    assert losses["loss_bbox_0"].item() == pytest.approx(5 * 0.5 * 0.1)
    assert losses["loss_bbox"].item() == pytest.approx(5 * 0.5 * 0.1)
    alone = SetCriterion(criterion.matcher, focal_loss(), criterion.weights)
    apart = alone(Predictions(logits, boxes), targets, 1.0)
    assert apart["loss_bbox"].item() == 0.0
    torch.testing.assert_close(apart["loss_class"], losses["loss_class"])  # classes as before
