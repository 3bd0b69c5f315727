"""What the decoder starts from."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor
from torch.nn import functional as F

from aligndetr.structures import Predictions


@dataclass
class Queries:
    """Q queries an image.

    Attributes:
        content: (B, Q, C).
        anchors: (B, Q, 2|4) logits of points or cxcywh boxes, normalised to the unpadded image.
        position: (B, Q, C) where it stays the same in all decoder layers; else None.
        proposals: the encoder's own predictions, one layer (I = 1), or None.
        blocked: (Q, Q) bool, True where the row's query must not see the column's; None when all
            see each other.
    """

    content: Tensor
    anchors: Tensor
    position: Tensor | None = None
    proposals: Predictions | None = None
    blocked: Tensor | None = None

    def after(self, content: Tensor, anchors: Tensor, blocked: Tensor | None = None) -> Queries:
        """The same queries with D others before them.

        Args:
            content: (B, D, C).
            anchors: (B, D, 4) logits.
            blocked: (D + Q, D + Q) bool, who must not see whom because of the others.
        """
        if self.blocked is not None:
            others = content.shape[1]
            own = F.pad(self.blocked, (others, 0, others, 0))
            blocked = own if blocked is None else own | blocked
        return replace(
            self,
            content=torch.cat([content, self.content], dim=1),
            anchors=torch.cat([anchors, self.anchors], dim=1),
            blocked=blocked,
        )
