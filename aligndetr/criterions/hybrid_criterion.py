"""The objective of two branches of queries, matched one-to-one and one-to-many."""

from __future__ import annotations

from dataclasses import replace

from torch import Tensor, nn

from aligndetr.criterions.comparison import Comparison, DenoisedPredictions
from aligndetr.criterions.loss_weights import weighted_losses
from aligndetr.criterions.set_criterion import SetCriterion
from aligndetr.errors import ConfigError
from aligndetr.structures import Predictions, Targets


class HybridCriterion(nn.Module):
    """One-to-one losses plus lambda times one-to-many losses (H-DETR, section 3.2).

    In the second branch every object occurs k times, so that k queries answer for it.

    Args:
        one_to_one: for the first branch, the proposals and denoising queries.
        one_to_many: for the second branch.
        num_queries: of the first branch; None where all queries are in both, and the decoder has
            class heads for the second (`one2many_head`; MS-DETR, arXiv 2401.03989).
        copies: k; 1 where the second branch's matcher gives an object several queries by itself.
        weight: lambda.

    Raises:
        ConfigError: in training, `num_queries` is None and the decoder has no such heads.
    """

    def __init__(
        self,
        one_to_one: SetCriterion,
        one_to_many: SetCriterion,
        num_queries: int | None,
        copies: int = 6,
        weight: float = 1.0,
    ) -> None:
        super().__init__()
        self.one_to_one = one_to_one
        self.one_to_many = one_to_many
        self.num_queries = num_queries
        self.copies = copies
        self.weight = weight

    @property
    def class_parts(self) -> dict[str, object]:
        """What reads class logits, by name, for `check_no_object`."""
        branches = {"one_to_one": self.one_to_one, "one_to_many": self.one_to_many}
        return {
            f"{branch}.{name}": part
            for branch, criterion in branches.items()
            for name, part in criterion.class_parts.items()
        }

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
        one, many = self._branches(matching, targets, proposals, denoised)
        losses = weighted_losses(one, num_boxes)
        second = weighted_losses(many, num_boxes)
        return losses | {name: self.weight * loss for name, loss in second.items()}

    def comparisons(
        self,
        matching: Predictions,
        targets: Targets,
        proposals: Predictions | None = None,
        denoised: DenoisedPredictions | None = None,
    ) -> list[Comparison]:
        """What losses are made from; see `SetCriterion.comparisons`.

        Those of the second branch, which is there in training only, come last.
        """
        one, many = self._branches(matching, targets, proposals, denoised)
        return one + many

    def _branches(
        self, matching: Predictions, targets: Targets, *others
    ) -> tuple[list[Comparison], list[Comparison]]:
        if self.num_queries is None:
            first, second = matching, self._of_other_heads(matching)
        else:
            first, second = matching.split(self.num_queries)
        one = self.one_to_one.comparisons(first, targets, *others)
        if not self.training:
            return one, []
        copies = Targets(
            labels=[labels.repeat(self.copies) for labels in targets.labels],
            boxes=[boxes.repeat(self.copies, 1) for boxes in targets.boxes],
        )
        many = self.one_to_many.comparisons(second, copies)
        return one, [
            replace(part, suffixes=[f"{s}_one2many" for s in part.suffixes], copies=self.copies)
            for part in many
        ]

    def _of_other_heads(self, matching: Predictions) -> Predictions:
        if matching.one2many is not None:
            return Predictions(matching.one2many, matching.boxes)
        if self.training:
            raise ConfigError(
                "both branches have all queries (model.criterion.num_queries is null), but there "
                "are no class heads for the second: give model.decoder.one2many_head"
            )
        return matching  # evaluation has no second branch
