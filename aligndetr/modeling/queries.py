"""What the decoder starts from."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from aligndetr.structures import Predictions


@dataclass
class Queries:
    """Q queries an image.

    Attributes:
        content: (B, Q, C).
        anchors: (B, Q, 2|4) logits of points or cxcywh boxes, normalised to the unpadded image.
        position: (B, Q, C) where it stays the same in all decoder layers; else None.
        proposals: the encoder's own predictions, one layer (I = 1), or None.
    """

    content: Tensor
    anchors: Tensor
    position: Tensor | None = None
    proposals: Predictions | None = None

    def after(self, content: Tensor, anchors: Tensor) -> Queries:
        """The same queries with others before them, as (B, D, C) content and (B, D, 4) anchors."""
        return replace(
            self,
            content=torch.cat([content, self.content], dim=1),
            anchors=torch.cat([anchors, self.anchors], dim=1),
        )
