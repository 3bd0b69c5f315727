"""The training objective: which predictions are compared with which objects, and all losses."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import torch
from torch import Tensor, nn

from aligndetr.criterions.classification import Classification
from aligndetr.criterions.comparison import Comparison, DenoisedPredictions, Pairs
from aligndetr.criterions.loss_weights import check_weights, layer_suffixes, weighted_losses
from aligndetr.errors import ConfigError
from aligndetr.layers.boxes import cxcywh_to_xyxy, paired_overlaps
from aligndetr.matchers import Assignment, BoxAssignment, Matcher, check_match_num
from aligndetr.structures import Predictions, Targets


class SetCriterion(nn.Module):
    """Matches predictions with objects and sums class, L1 and GIoU losses of all layers.

    The encoder's proposals and every decoder layer are matched anew; denoising queries belong to
    their object from the start. Losses are divided by the number of objects (times the number of
    groups for denoising).

    Args:
        matcher: see `Matcher`.
        classification: see `Classification`.
        weights: of the terms "class", "bbox" and "giou".
        denoising_weights: the same for denoising queries, where they are others.
        match_num: queries an object may get, [proposals, layer 1, ..., last layer]; all 1 when
            None. Without proposals entry 0 is unused.
        class_agnostic_proposals: the proposals only tell object (class 0) from background.
        box_assignment: which pairs box losses are made of, where not those of the classes; see
            `UnionOverLayers`. Denoising queries keep theirs.

    Raises:
        ConfigError: weights or `match_num` cannot be meant.
    """

    def __init__(
        self,
        matcher: Matcher,
        classification: Classification,
        weights: Mapping[str, float],
        match_num: Sequence[int] | None = None,
        class_agnostic_proposals: bool = False,
        box_assignment: BoxAssignment | None = None,
        denoising_weights: Mapping[str, float] | None = None,
    ) -> None:
        super().__init__()
        self.matcher = matcher
        self.classification = classification
        self.weights = check_weights(weights)
        self.denoising_weights = check_weights(denoising_weights or weights)
        self.match_num = None if match_num is None else check_match_num(match_num)
        self.class_agnostic_proposals = class_agnostic_proposals
        self.box_assignment = box_assignment

    @property
    def class_parts(self) -> dict[str, object]:
        """What reads class logits, by name, for `check_no_object`."""
        cost = getattr(self.matcher, "cost", None)
        return {
            "classification": self.classification,
            "matcher.cost.class_cost": getattr(cost, "class_cost", None),
        }

    def forward(
        self,
        matching: Predictions,
        targets: Targets,
        num_boxes: Tensor | float,
        proposals: Predictions | None = None,
        denoised: DenoisedPredictions | None = None,
    ) -> dict[str, Tensor]:
        """All losses, weighted, so that their sum is the objective.

        Args:
            matching: predictions of I decoder layers.
            targets: ground truth.
            num_boxes: objects to divide by.
            proposals: predictions of the encoder (one layer).
            denoised: predictions for denoising queries.

        Returns:
            Scalars `loss_{class,bbox,giou}` for the last layer, with suffix `_0`, `_1`, ... for
            the others, `_enc` for the proposals, and `_dn`, `_dn_0`, ... for denoising.

        Raises:
            ConfigError: see `comparisons`.
        """
        comparisons = self.comparisons(matching, targets, proposals, denoised)
        return weighted_losses(comparisons, num_boxes)

    def comparisons(
        self,
        matching: Predictions,
        targets: Targets,
        proposals: Predictions | None = None,
        denoised: DenoisedPredictions | None = None,
    ) -> list[Comparison]:
        """What losses are made from: pairs, targets, weights and sums.

        In evaluation, where a decoder may stop early, the last entries of `match_num` may be left
        over.

        Args:
            matching, targets, proposals, denoised: see `forward`.

        Returns:
            The decoder's comparison, with the proposals as its first layer or, where these are
            class-agnostic, after one of their own; then that of the denoising queries.

        Raises:
            ConfigError: `match_num` has not one entry for the proposals and each layer, or there
                are proposals of all tokens and `class_agnostic_proposals` is not set.
        """
        with torch.autocast(matching.logits.device.type, enabled=False):
            compared = self._matched(_upcast(matching), targets, proposals and _upcast(proposals))
            if denoised is not None:
                predictions = _upcast(denoised.predictions)
                suffixes = [f"_dn{s}" for s in layer_suffixes(len(predictions.logits))]
                pairs = denoised.assignment(targets)
                part = self._compare(predictions, targets, suffixes, pairs)
                weights = self.denoising_weights
                compared.append(replace(part, copies=denoised.num_groups, loss_weights=weights))
        return compared

    def _matched(
        self, matching: Predictions, targets: Targets, proposals: Predictions | None
    ) -> list[Comparison]:
        match_num = self._match_num(len(matching.logits))
        suffixes = layer_suffixes(len(matching.logits))
        if proposals is None:
            return [self._match(matching, targets, suffixes, match_num[1:])]
        if self.class_agnostic_proposals:
            agnostic = replace(targets, labels=[torch.zeros_like(t) for t in targets.labels])
            first = self._match(proposals, agnostic, ["_enc"], match_num[:1])
            return [first, self._match(matching, targets, suffixes, match_num[1:])]
        if proposals.logits.shape[2] != matching.logits.shape[2]:
            raise ConfigError(
                f"{proposals.logits.shape[2]} proposals for {matching.logits.shape[2]} queries: "
                "proposals of all tokens need class_agnostic_proposals=True"
            )
        everything = Predictions(
            torch.cat([proposals.logits, matching.logits]),
            torch.cat([proposals.boxes, matching.boxes]),
        )
        return [self._match(everything, targets, ["_enc", *suffixes], match_num)]

    def _match_num(self, num_layers: int) -> list[int]:
        if self.match_num is None:
            return [1] * (num_layers + 1)
        if self.training and len(self.match_num) != num_layers + 1:
            raise ConfigError(
                f"match_num {self.match_num} must have {num_layers + 1} entries: one for the "
                f"proposals and one for each of the {num_layers} decoder layers"
            )
        return self.match_num[: num_layers + 1]

    def _match(
        self, predictions: Predictions, targets: Targets, suffixes: list[str], match_num: list[int]
    ) -> Comparison:
        pairs = self.matcher(predictions, targets, match_num)
        return self._compare(predictions, targets, suffixes, pairs, self.box_assignment)

    def _compare(
        self,
        predictions: Predictions,
        targets: Targets,
        suffixes: list[str],
        assignment: Assignment,
        box_assignment: BoxAssignment | None = None,
    ) -> Comparison:
        pairs, errors = _pairs(predictions, targets, assignment)
        classified = self.classification(predictions.logits, pairs)
        compared, weight = assignment, classified.weight
        if box_assignment is not None:
            compared, weight = box_assignment(assignment, len(predictions.logits))
            _, errors = _pairs(predictions, targets, compared)
        zeros = torch.zeros_like(classified.loss)
        losses = {
            term: zeros.index_add(0, compared.layer, weight * error)
            for term, error in errors.items()
        }
        return Comparison(
            predictions=predictions,
            targets=targets,
            suffixes=suffixes,
            assignment=assignment,
            iou=pairs.iou,
            score=classified.score,
            goal=classified.goal,
            weight=classified.weight,
            losses={"class": classified.loss, **losses},
            loss_weights=self.weights,
        )


def _pairs(
    predictions: Predictions, targets: Targets, assignment: Assignment
) -> tuple[Pairs, dict[str, Tensor]]:
    """Queries beside their objects, and "bbox" and "giou" -> (M,) how far they are apart."""
    boxes = predictions.boxes[assignment.where]
    goals = targets.all_boxes.to(boxes.dtype)[assignment.target]
    corners, goal_corners = cxcywh_to_xyxy(boxes), cxcywh_to_xyxy(goals)
    iou, giou = paired_overlaps(corners, goal_corners)
    labels = targets.all_labels[assignment.target]
    pairs = Pairs(assignment, labels, corners, goal_corners, iou.detach())
    return pairs, {"bbox": (boxes - goals).abs().sum(-1), "giou": 1 - giou}


def _upcast(predictions: Predictions) -> Predictions:
    """At least float32: losses are not computed in half precision."""
    kind = torch.promote_types(predictions.logits.dtype, torch.float32)
    return Predictions(predictions.logits.to(kind), predictions.boxes.to(kind))
