"""What it costs to let a query answer for an object."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from aligndetr.layers.boxes import cxcywh_to_xyxy, pairwise_giou


@dataclass
class FocalCost:
    """Focal loss of saying "yes" minus that of saying "no" (Deformable-DETR).

    Args:
        alpha, gamma: of the focal loss; the matcher's own, not the criterion's.
    """

    alpha: float = 0.25
    gamma: float = 2.0

    has_no_object = False

    def __call__(self, logits: Tensor, labels: Tensor) -> Tensor:
        """(..., Q, K) logits, (G,) labels -> (..., Q, G)."""
        p = logits[..., labels].sigmoid()
        yes = -self.alpha * (1 - p) ** self.gamma * (p + 1e-8).log()
        no = -(1 - self.alpha) * p**self.gamma * (1 - p + 1e-8).log()
        return yes - no


class ProbabilityCost:
    """Negative softmax probability of the object's class (DETR); the last one is "no object"."""

    has_no_object = True

    def __call__(self, logits: Tensor, labels: Tensor) -> Tensor:
        """(..., Q, K) logits, (G,) labels -> (..., Q, G)."""
        return -logits.softmax(-1)[..., labels]


@dataclass
class MatchingCost:
    """Weighted sum of class cost, L1 and negative generalised IoU (DETR, eq. 1 and 2).

    Args:
        class_cost: `FocalCost` or `ProbabilityCost`.
        class_weight, bbox_weight, giou_weight: of the three terms.
    """

    class_cost: FocalCost | ProbabilityCost
    class_weight: float = 2.0
    bbox_weight: float = 5.0
    giou_weight: float = 2.0

    def __call__(self, logits: Tensor, boxes: Tensor, labels: Tensor, targets: Tensor) -> Tensor:
        """Costs of every query for every object of one image.

        Args:
            logits: (..., Q, K).
            boxes: (..., Q, 4) cxcywh normalised.
            labels: (G,) int64.
            targets: (G, 4) cxcywh normalised.

        Returns:
            (..., Q, G); not-a-number becomes a large cost, so that one bad query cannot stop a run.
        """
        l1 = (boxes.unsqueeze(-2) - targets).abs().sum(-1)
        giou = pairwise_giou(cxcywh_to_xyxy(boxes), cxcywh_to_xyxy(targets))
        cost = (
            self.class_weight * self.class_cost(logits, labels)
            + self.bbox_weight * l1
            - self.giou_weight * giou
        )
        return torch.nan_to_num(cost, nan=1e6, posinf=1e6, neginf=-1e6)
