"""The training objective: which predictions are compared with which objects, and all losses."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from aligndetr.layers.boxes import cxcywh_to_xyxy, paired_giou, paired_iou
from aligndetr.matchers import Assignment, MixedMatcher
from aligndetr.structures import Predictions, Targets


@dataclass
class DenoisedPredictions:
    """Predictions for denoising queries, which know their object without matching.

    Attributes:
        predictions: of I layers for D = num_groups * slots_per_group queries.
        num_groups: each object occurs once as a positive in every group.
        slots_per_group: the first slots are positives, in the order of the image's objects.
    """

    predictions: Predictions
    num_groups: int
    slots_per_group: int


class SetCriterion(nn.Module):
    """Matches predictions with objects and sums class, L1 and GIoU losses of all layers.

    The encoder's proposals and every decoder layer are matched anew; denoising queries belong to
    their object from the start. Losses are divided by the number of objects (times the number of
    groups for denoising).

    Args:
        matcher: `HungarianMatcher` or `MixedMatcher`.
        classification: `FocalLoss` or `AlignLoss`.
        weights: of the terms "class", "bbox" and "giou".
        match_num: queries an object may get, [proposals, layer 1, ..., last layer]; all 1 when
            None. Without proposals entry 0 is unused.
        class_agnostic_proposals: the proposals only tell object (class 0) from background.
    """

    def __init__(
        self,
        matcher: MixedMatcher,
        classification: Callable[..., tuple[Tensor, Tensor]],
        weights: Mapping[str, float],
        match_num: Sequence[int] | None = None,
        class_agnostic_proposals: bool = False,
    ) -> None:
        super().__init__()
        if set(weights) != {"class", "bbox", "giou"}:
            raise ValueError(f"weights must name class, bbox and giou, got {sorted(weights)}")
        self.matcher = matcher
        self.classification = classification
        self.weights = dict(weights)
        self.match_num = None if match_num is None else list(match_num)
        self.class_agnostic_proposals = class_agnostic_proposals

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
            ValueError: `match_num` has not one entry for the proposals and each layer.
        """
        with torch.autocast(matching.logits.device.type, enabled=False):
            sums = self._matched(_upcast(matching), targets, proposals and _upcast(proposals))
            losses = {name: value / num_boxes for name, value in sums.items()}
            if denoised is not None:
                normaliser = num_boxes * denoised.num_groups
                sums = self._denoised(denoised, targets)
                losses |= {name: value / normaliser for name, value in sums.items()}
        return losses

    def _matched(
        self, matching: Predictions, targets: Targets, proposals: Predictions | None
    ) -> dict[str, Tensor]:
        match_num = self._match_num(len(matching.logits))
        if proposals is None:
            return self._evaluate(matching, targets, match_num[1:], layer_suffixes(matching))
        if self.class_agnostic_proposals:
            agnostic = replace(targets, labels=[torch.zeros_like(t) for t in targets.labels])
            sums = self._evaluate(proposals, agnostic, match_num[:1], ["_enc"])
            return sums | self._matched(matching, targets, None)
        if proposals.logits.shape[2] != matching.logits.shape[2]:
            raise ValueError(
                f"{proposals.logits.shape[2]} proposals for {matching.logits.shape[2]} queries: "
                "proposals of all tokens need class_agnostic_proposals=True"
            )
        everything = Predictions(
            torch.cat([proposals.logits, matching.logits]),
            torch.cat([proposals.boxes, matching.boxes]),
        )
        return self._evaluate(everything, targets, match_num, ["_enc", *layer_suffixes(matching)])

    def _match_num(self, num_layers: int) -> list[int]:
        if self.match_num is None:
            return [1] * (num_layers + 1)
        if len(self.match_num) != num_layers + 1:
            raise ValueError(
                f"match_num {self.match_num} must have {num_layers + 1} entries: one for the "
                f"proposals and one for each of the {num_layers} decoder layers"
            )
        return self.match_num

    def _evaluate(
        self, predictions: Predictions, targets: Targets, match_num: list[int], suffixes: list[str]
    ) -> dict[str, Tensor]:
        assignment = self.matcher(predictions, targets, match_num)
        return self._sums(predictions, targets, assignment, suffixes)

    def _denoised(self, denoised: DenoisedPredictions, targets: Targets) -> dict[str, Tensor]:
        predictions = _upcast(denoised.predictions)
        suffixes = [f"_dn{suffix}" for suffix in layer_suffixes(predictions)]
        assignment = denoising_assignment(denoised, targets)
        return self._sums(predictions, targets, assignment, suffixes)

    def _sums(
        self,
        predictions: Predictions,
        targets: Targets,
        assignment: Assignment,
        suffixes: list[str],
    ) -> dict[str, Tensor]:
        """Weighted sums over all images of a batch, by name."""
        boxes = predictions.boxes[assignment.where]
        goals = targets.all_boxes.to(boxes.dtype)[assignment.target]
        corners, goal_corners = cxcywh_to_xyxy(boxes), cxcywh_to_xyxy(goals)
        with torch.no_grad():
            iou, _ = paired_iou(corners, goal_corners)
        labels = targets.all_labels[assignment.target]
        classes, weight = self.classification(predictions.logits, labels, iou, assignment)
        l1 = (boxes - goals).abs().sum(-1)
        giou = 1 - paired_giou(corners, goal_corners)
        terms = {
            "class": classes,
            "bbox": torch.zeros_like(classes).index_add(0, assignment.layer, weight * l1),
            "giou": torch.zeros_like(classes).index_add(0, assignment.layer, weight * giou),
        }
        return {
            f"loss_{term}{suffix}": self.weights[term] * value
            for term, values in terms.items()
            for suffix, value in zip(suffixes, values.unbind(), strict=True)
        }


def layer_suffixes(predictions: Predictions) -> list[str]:
    """`_0`, `_1`, ... for all layers but the last, which has none."""
    return [f"_{layer}" for layer in range(len(predictions.logits) - 1)] + [""]


def denoising_assignment(denoised: DenoisedPredictions, targets: Targets) -> Assignment:
    """Every object with its positive slot of every group, in every layer."""
    device = denoised.predictions.logits.device
    num_layers = len(denoised.predictions.logits)
    within = torch.cat([torch.arange(size) for size in targets.sizes])
    image = torch.cat([torch.full((n,), i) for i, n in enumerate(targets.sizes)])
    target = torch.arange(targets.num_boxes)
    layer, group, pair = torch.cartesian_prod(
        torch.arange(num_layers), torch.arange(denoised.num_groups), target
    ).unbind(1)
    query = group * denoised.slots_per_group + within[pair]
    columns = torch.stack([layer, image[pair], query, target[pair], group])
    return Assignment(*columns.to(device, non_blocking=True))


def _upcast(predictions: Predictions) -> Predictions:
    """At least float32: losses are not computed in half precision."""
    kind = torch.promote_types(predictions.logits.dtype, torch.float32)
    return Predictions(predictions.logits.to(kind), predictions.boxes.to(kind))
