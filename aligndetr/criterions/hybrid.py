"""The objective of two branches of queries, matched one-to-one and one-to-many."""

from __future__ import annotations

from torch import Tensor, nn

from aligndetr.criterions.set_criterion import DenoisedPredictions, SetCriterion
from aligndetr.structures import Predictions, Targets


class HybridCriterion(nn.Module):
    """One-to-one losses plus lambda times one-to-many losses (H-DETR, section 3.2).

    In the second branch every object occurs k times, so that k queries answer for it.

    Args:
        one_to_one: for the first branch, the proposals and denoising queries.
        one_to_many: for the second branch.
        num_queries: of the first branch.
        copies: k.
        weight: lambda.
    """

    def __init__(
        self,
        one_to_one: SetCriterion,
        one_to_many: SetCriterion,
        num_queries: int,
        copies: int = 6,
        weight: float = 1.0,
    ) -> None:
        super().__init__()
        self.one_to_one = one_to_one
        self.one_to_many = one_to_many
        self.num_queries = num_queries
        self.copies = copies
        self.weight = weight

    def forward(
        self,
        matching: Predictions,
        targets: Targets,
        num_boxes: Tensor | float,
        proposals: Predictions | None = None,
        denoised: DenoisedPredictions | None = None,
    ) -> dict[str, Tensor]:
        """All losses; see `SetCriterion.forward`.

        Args:
            matching: predictions of both branches, the first one's first.
            targets: ground truth.
            num_boxes: objects to divide by; the second branch divides by k times as many.
            proposals: predictions of the encoder.
            denoised: predictions for denoising queries.

        Returns:
            Weighted scalars; those of the second branch have the suffix `_one2many`.
        """
        first, second = matching.split(self.num_queries)
        losses = self.one_to_one(first, targets, num_boxes, proposals, denoised)
        copies = Targets(
            labels=[labels.repeat(self.copies) for labels in targets.labels],
            boxes=[boxes.repeat(self.copies, 1) for boxes in targets.boxes],
        )
        many = self.one_to_many(second, copies, num_boxes * self.copies)
        return losses | {f"{name}_one2many": self.weight * loss for name, loss in many.items()}
