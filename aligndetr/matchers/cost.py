"""What it costs to let a query answer for an object."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from aligndetr.layers.boxes import cxcywh_to_xyxy, pairwise_giou, pairwise_iou


def of_classes(values: Tensor, labels: Tensor) -> Tensor:
    """Columns (..., Q, G) of (..., Q, K) values: those of the classes (..., G)."""
    return values.gather(-1, labels.unsqueeze(-2).expand(*values.shape[:-1], labels.shape[-1]))


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
        """(..., Q, K) logits, (..., G) labels -> (..., Q, G)."""
        return self.of_probability(of_classes(logits, labels).sigmoid())

    def of_probability(self, p: Tensor) -> Tensor:
        """Of saying "yes" with probability p; elementwise."""
        yes = -self.alpha * (1 - p) ** self.gamma * (p + 1e-8).log()
        no = -(1 - self.alpha) * p**self.gamma * (1 - p + 1e-8).log()
        return yes - no


class ProbabilityCost:
    """Negative softmax probability of the object's class (DETR); the last one is "no object"."""

    has_no_object = True

    def __call__(self, logits: Tensor, labels: Tensor) -> Tensor:
        """(..., Q, K) logits, (..., G) labels -> (..., Q, G)."""
        return -of_classes(logits.softmax(-1), labels)


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
        """Costs of every query for every object of its image.

        Args:
            logits: (..., Q, K), of layers and images.
            boxes: (..., Q, 4) cxcywh normalised.
            labels: (G,) or (B, G) int64, of one image or of all, where those with fewer objects
                repeat one.
            targets: (G, 4) or (B, G, 4) cxcywh normalised.

        Returns:
            (..., Q, G); not-a-number becomes a large cost, so that one bad query cannot stop a run.
        """
        l1 = (boxes.unsqueeze(-2) - targets.unsqueeze(-3)).abs().sum(-1)
        giou = pairwise_giou(cxcywh_to_xyxy(boxes), cxcywh_to_xyxy(targets))
        cost = (
            self.class_weight * self.classes(logits, labels, giou)
            + self.bbox_weight * l1
            - self.giou_weight * giou
        )
        return torch.nan_to_num(cost, nan=1e6, posinf=1e6, neginf=-1e6)

    def classes(self, logits: Tensor, labels: Tensor, giou: Tensor) -> Tensor:
        """The class term (..., Q, G); what overlaps (..., Q, G) there are does not matter here."""
        return self.class_cost(logits, labels)


@dataclass
class PositionModulatedCost(MatchingCost):
    """A class counts as far as the box is in place (Stable-DINO, arXiv 2304.04742, section 3.2).

    The class term sees p v^beta for the probability p, where v = (GIoU + 1) / 2 is divided by the
    largest of the image. In the authors' published code an object's overlaps are overwritten by
    those of a later object of the same class, also of another image; here each has its own.

    Args:
        class_cost: `FocalCost`.
        class_weight, bbox_weight, giou_weight: of the three terms.
        beta: how much the place counts.
    """

    # narrower than the base's, of which nobody replaces it
    class_cost: FocalCost  # ty: ignore[incompatible-mutable-override]
    beta: float = 0.5

    def classes(self, logits: Tensor, labels: Tensor, giou: Tensor) -> Tensor:
        """See `MatchingCost`."""
        place = (giou + 1) / 2
        if place.numel():
            place = place / place.amax((-2, -1), keepdim=True).clamp(min=1e-8)
        return self.class_cost.of_probability(
            of_classes(logits, labels).sigmoid() * place**self.beta
        )


@dataclass
class HighOrderCost:
    """-p u^power for the probability p and the overlap u (Rank-DETR, section 3.3).

    A box that is out of place cannot be matched for its class alone. arXiv 2310.08854; its authors
    match so in the last quarter of a training, with `MatchingCost` before. Here it is the cost from
    the start.

    Args:
        power: of the overlap.
    """

    power: float = 4.0

    def __call__(self, logits: Tensor, boxes: Tensor, labels: Tensor, targets: Tensor) -> Tensor:
        """See `MatchingCost`."""
        iou, _ = pairwise_iou(cxcywh_to_xyxy(boxes), cxcywh_to_xyxy(targets))
        return torch.nan_to_num(-of_classes(logits, labels).sigmoid() * iou**self.power, nan=1e6)


@dataclass
class QualityCost:
    """-(w u + (1 - w) p) for the overlap u and the probability p (MS-DETR, section 3.2).

    arXiv 2401.03989; Mr. DETR (arXiv 2412.10028) has w = 0.8.

    Args:
        iou_weight: w.
    """

    iou_weight: float = 0.7

    def __call__(self, logits: Tensor, boxes: Tensor, labels: Tensor, targets: Tensor) -> Tensor:
        """See `MatchingCost`."""
        iou, _ = pairwise_iou(cxcywh_to_xyxy(boxes), cxcywh_to_xyxy(targets))
        probability = of_classes(logits, labels).sigmoid()
        quality = self.iou_weight * iou + (1 - self.iou_weight) * probability
        return torch.nan_to_num(-quality, nan=1e6)
