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
    """

    logits: Tensor
    boxes: Tensor

    def split(self, first: int) -> tuple[Predictions, Predictions]:
        """Predictions of the first `first` queries and of the others."""
        return (
            Predictions(self.logits[:, :, :first], self.boxes[:, :, :first]),
            Predictions(self.logits[:, :, first:], self.boxes[:, :, first:]),
        )
