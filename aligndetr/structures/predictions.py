"""What the model says."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor


@dataclass
class Predictions:
    """Predictions of I layers for Q queries.

    Attributes:
        logits: (I, B, Q, K) class logits.
        boxes: (I, B, Q, 4) cxcywh normalised to the unpadded image.
        one2many: (I, B, Q, K) class logits of other heads, which one-to-many matching teaches; None
            without these heads, and in evaluation.
    """

    logits: Tensor
    boxes: Tensor
    one2many: Tensor | None = None

    def split(self, first: int) -> tuple[Predictions, Predictions]:
        """Predictions of the first `first` queries and of the others."""
        return self._of(slice(None, first)), self._of(slice(first, None))

    def _of(self, queries: slice) -> Predictions:
        one2many = None if self.one2many is None else self.one2many[:, :, queries]
        return Predictions(self.logits[:, :, queries], self.boxes[:, :, queries], one2many)
