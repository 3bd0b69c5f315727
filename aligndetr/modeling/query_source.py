"""Where the decoder's queries come from."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from aligndetr.modeling.pyramid import Pyramid
from aligndetr.structures import Predictions


@dataclass
class Queries:
    """What the decoder starts from.

    Attributes:
        content: (B, Q, C).
        anchors: (B, Q, 4) logits of cxcywh boxes, normalised to the unpadded image.
        proposals: the encoder's own predictions, one layer (I = 1), or None.
    """

    content: Tensor
    anchors: Tensor
    proposals: Predictions | None


class TwoStageQueries(nn.Module):
    """Learned content at the anchors that the encoder proposes (mixed query selection).

    Every token proposes a box around itself (Deformable-DETR, appendix A.4); the tokens with the
    highest class score become anchors, without gradient, and meet learned content (DINO, 3.3).

    Args:
        class_head: (…, C) -> (…, K).
        box_head: (…, C) -> (…, 4) corrections in logit space.
        num_queries: Q; an image with fewer tokens gets as many queries as it has tokens.
        embed_dim: C.
        base_size: side of a proposal on the finest level, relative to the image; doubles a level.
    """

    def __init__(
        self,
        class_head: nn.Module,
        box_head: nn.Module,
        num_queries: int,
        embed_dim: int,
        base_size: float = 0.05,
    ) -> None:
        super().__init__()
        self.memory_proj = nn.Linear(embed_dim, embed_dim)
        self.memory_norm = nn.LayerNorm(embed_dim)
        self.content = nn.Embedding(num_queries, embed_dim)
        self.class_head = class_head
        self.box_head = box_head
        self.base_size = base_size
        nn.init.xavier_uniform_(self.memory_proj.weight)
        nn.init.zeros_(self.memory_proj.bias)

    def forward(self, memory: Tensor, pyramid: Pyramid) -> Queries:
        """Select queries from memory (B, S, C)."""
        anchors, outside = self._token_anchors(pyramid)
        memory = self.memory_norm(self.memory_proj(memory.masked_fill(outside, 0.0)))
        logits = self.class_head(memory)
        num_queries = min(self.content.num_embeddings, memory.shape[1])
        top = logits.amax(-1).topk(num_queries, dim=1).indices.unsqueeze(-1)
        chosen = memory.gather(1, top.expand(-1, -1, memory.shape[-1]))
        logits = logits.gather(1, top.expand(-1, -1, logits.shape[-1]))
        anchors = self.box_head(chosen) + anchors.gather(1, top.expand(-1, -1, 4))
        content = self.content.weight[:num_queries].expand(len(memory), -1, -1)
        proposals = Predictions(logits.unsqueeze(0), anchors.sigmoid().unsqueeze(0))
        return Queries(content, anchors.detach(), proposals)

    def _token_anchors(self, pyramid: Pyramid) -> tuple[Tensor, Tensor]:
        """Logits of the box around every token (B, S, 4), and where there is none (B, S, 1)."""
        sizes = [
            pyramid.centers.new_full((height * width, 2), self.base_size * 2.0**level)
            for level, (height, width) in enumerate(pyramid.shapes)
        ]
        boxes = torch.cat([pyramid.centers, torch.cat(sizes).expand_as(pyramid.centers)], dim=-1)
        outside = ~((boxes > 0.01) & (boxes < 0.99)).all(-1, keepdim=True)
        if pyramid.padding is not None:
            outside = outside | pyramid.padding.unsqueeze(-1)
        return boxes.logit().masked_fill(outside, float("inf")), outside
