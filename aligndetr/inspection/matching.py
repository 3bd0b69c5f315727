"""The pairs that a criterion would make its losses from."""

from __future__ import annotations

from dataclasses import replace

import torch

from aligndetr.criterions import AlignLoss, NoObjectCrossEntropy, SetCriterion
from aligndetr.inspection.content import Pair
from aligndetr.layers.boxes import cxcywh_to_xyxy, paired_iou
from aligndetr.structures import Predictions, Targets


def match(criterion: SetCriterion, predictions: Predictions, targets: Targets) -> list[list[Pair]]:
    """Pairs of every decoder layer, for one image.

    Args:
        criterion: its matcher, its `match_num` and its rank weights count.
        predictions: of I layers (fewer than the criterion knows, where evaluation stops early).
        targets: ground truth of one image.
    """
    num_layers = len(predictions.logits)
    match_num = criterion.match_num or [1] * (num_layers + 1)
    return _pairs(criterion, predictions, targets, match_num[1 : num_layers + 1])


def match_proposals(
    criterion: SetCriterion, proposals: Predictions, targets: Targets
) -> list[Pair]:
    """Pairs of the encoder's proposals, for one image; see `match`."""
    if criterion.class_agnostic_proposals:
        targets = replace(targets, labels=[torch.zeros_like(t) for t in targets.labels])
    match_num = criterion.match_num or [1]
    return _pairs(criterion, proposals, targets, match_num[:1])[0]


def _pairs(
    criterion: SetCriterion, predictions: Predictions, targets: Targets, match_num: list[int]
) -> list[list[Pair]]:
    predictions = Predictions(predictions.logits.float(), predictions.boxes.float())
    assignment = criterion.matcher(predictions, targets, match_num)
    labels = targets.all_labels[assignment.target]
    goals = targets.all_boxes[assignment.target]
    boxes = predictions.boxes[assignment.where]
    iou, _ = paired_iou(cxcywh_to_xyxy(boxes), cxcywh_to_xyxy(goals))
    _, weight = criterion.classification(predictions.logits, labels, iou, assignment)
    matched = (*assignment.where, labels)
    if isinstance(criterion.classification, NoObjectCrossEntropy):
        score = predictions.logits.softmax(-1)[matched]
    else:
        score = predictions.logits[matched].sigmoid()
    goal = [None] * len(assignment)
    if isinstance(criterion.classification, AlignLoss):
        target_scores, _ = criterion.classification.goals(
            predictions.logits[matched], iou, assignment
        )
        goal = target_scores.tolist()
    # Weights fall with the rank, so that their order is the order of the ranks.
    ranks = assignment.ranks(weight)
    columns = (assignment.query, assignment.target, score, iou, ranks, weight)
    rows = zip(assignment.layer.tolist(), *(c.tolist() for c in columns), goal, strict=True)
    layers: list[list[Pair]] = [[] for _ in match_num]
    for layer, *values in rows:
        layers[layer].append(Pair(*values))
    return [sorted(pairs, key=lambda pair: (pair.thing, pair.rank)) for pairs in layers]
