"""Which predictions are compared with which objects, and what their losses see of each other."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from aligndetr.matchers import Assignment
from aligndetr.structures import Predictions, Targets


@dataclass
class Pairs:
    """M pairs of a query and its object, as a classification loss sees them.

    Attributes:
        assignment: which query and which object.
        labels: (M,) int64 class of the object.
        boxes: (M, 4) predicted box, xyxy normalised.
        target_boxes: (M, 4) the object's box, likewise.
        iou: (M,) overlap of the two, without gradient.
    """

    assignment: Assignment
    labels: Tensor
    boxes: Tensor
    target_boxes: Tensor
    iou: Tensor


@dataclass
class Comparison:
    """Predictions of I layers with the objects that they answer for: M pairs.

    A criterion makes its losses from a list of these, and explanations read them.

    Attributes:
        predictions: of I layers, in float32 or float64.
        targets: the objects that `assignment` counts, which may be copied or without their classes.
        suffixes: I endings of loss names: `_enc` for proposals, `_0`, `_1`, ..., and none for the
            last layer; `_dn` before the layer's for denoising, `_one2many` after it.
        assignment: the M pairs.
        iou: (M,) overlap of the query's box with the object.
        score: (M,) probability that the query gives the object's class.
        goal: (M,) what the classification loss wants this probability to be.
        weight: (M,) of the pair's box losses.
        losses: "class", "bbox" and "giou" -> (I,) sums over images, before weights and division.
        loss_weights: of these three.
        copies: how often an object occurs in `targets` or as a denoising query; losses are divided
            by so many times the number of objects.
    """

    predictions: Predictions
    targets: Targets
    suffixes: list[str]
    assignment: Assignment
    iou: Tensor
    score: Tensor
    goal: Tensor
    weight: Tensor
    losses: dict[str, Tensor]
    loss_weights: Mapping[str, float]
    copies: int = 1


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

    def assignment(self, targets: Targets) -> Assignment:
        """Every object with its positive slot of every group, in every layer."""
        device, num_layers = self.predictions.logits.device, len(self.predictions.logits)
        within = torch.cat([torch.arange(size) for size in targets.sizes])
        image = torch.cat([torch.full((n,), i) for i, n in enumerate(targets.sizes)])
        target = torch.arange(targets.num_boxes)
        layer, group, pair = torch.cartesian_prod(
            torch.arange(num_layers), torch.arange(self.num_groups), target
        ).unbind(1)
        query = group * self.slots_per_group + within[pair]
        columns = torch.stack([layer, image[pair], query, target[pair], group])
        return Assignment(*columns.to(device, non_blocking=True))
