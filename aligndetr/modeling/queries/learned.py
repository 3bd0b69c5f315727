"""Queries that are learned: their positions are vectors (DETR), points or boxes (DAB-DETR)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from aligndetr.modeling.pyramid import Pyramid
from aligndetr.modeling.queries.queries import Queries


class LearnedPositions(nn.Module):
    """Learned position vectors with zero content and no box of their own (DETR, section 3.2).

    The anchor of every query is the middle of the image, whose logits are zero: a box that is
    predicted relative to it is the box head's output.

    Args:
        num_queries: Q.
        embed_dim: C.
    """

    def __init__(self, num_queries: int, embed_dim: int) -> None:
        super().__init__()
        self.position = nn.Embedding(num_queries, embed_dim)

    def forward(self, memory: Tensor, pyramid: Pyramid) -> Queries:
        """The same queries for every image."""
        position = self.position.weight.expand(memory.shape[0], -1, -1)
        anchors = memory.new_zeros(*position.shape[:2], 4)
        return Queries(torch.zeros_like(position), anchors, position)


class LearnedQueries(nn.Module):
    """Learned content and position; a point that depends on the position (Deformable-DETR, 4.1).

    Args:
        num_queries: Q.
        embed_dim: C.
    """

    def __init__(self, num_queries: int, embed_dim: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(num_queries, 2 * embed_dim)
        self.reference_points = nn.Linear(embed_dim, 2)
        nn.init.xavier_uniform_(self.reference_points.weight)
        nn.init.zeros_(self.reference_points.bias)

    def forward(self, memory: Tensor, pyramid: Pyramid) -> Queries:
        """The same queries for every image."""
        position, content = self.embedding.weight.expand(memory.shape[0], -1, -1).chunk(2, dim=-1)
        return Queries(content, self.reference_points(position), position)


class LearnedAnchors(nn.Module):
    """Learned boxes with zero content (DAB-DETR, section 3.2).

    Centres start uniformly distributed over the image.

    Args:
        num_queries: Q.
        embed_dim: C.
    """

    def __init__(self, num_queries: int, embed_dim: int) -> None:
        super().__init__()
        self.embed_dim = embed_dim
        self.anchors = nn.Embedding(num_queries, 4)
        centers = torch.rand(num_queries, 2).clamp(1e-3, 1 - 1e-3)
        with torch.no_grad():
            self.anchors.weight[:, :2] = centers.logit()

    def forward(self, memory: Tensor, pyramid: Pyramid) -> Queries:
        """The same queries for every image."""
        anchors = self.anchor_logits().expand(memory.shape[0], -1, -1)
        content = memory.new_zeros(*anchors.shape[:2], self.embed_dim)
        return Queries(content, anchors)

    def anchor_logits(self) -> Tensor:
        """(Q, 4) logits of cxcywh boxes."""
        return self.anchors.weight


class FixedCenterAnchors(LearnedAnchors):
    """Learned anchors whose centres stay where they start; sizes are learned.

    Centres get no gradient. Weight decay would still pull them to the middle of the image:
    `optimizer.params.weight_decay_overrides={"anchors": 0.0}` exempts them.
    """

    def anchor_logits(self) -> Tensor:
        """(Q, 4) logits of cxcywh boxes."""
        centers, sizes = self.anchors.weight.split(2, dim=-1)
        return torch.cat([centers.detach(), sizes], dim=-1)


class LearnedContentAnchors(nn.Module):
    """Learned boxes with learned content (DAB-Deformable-DETR).

    Boxes start with centres and sizes distributed uniformly between 0.05 and 0.95 of the image,
    those outside moved to the ends; content starts at zero.

    Args:
        num_queries: Q.
        embed_dim: C.
    """

    def __init__(self, num_queries: int, embed_dim: int) -> None:
        super().__init__()
        self.content = nn.Embedding(num_queries, embed_dim)
        self.anchors = nn.Embedding(num_queries, 4)
        nn.init.zeros_(self.content.weight)
        with torch.no_grad():
            self.anchors.weight.copy_(torch.rand(num_queries, 4).logit().clamp(-3, 3))

    def forward(self, memory: Tensor, pyramid: Pyramid) -> Queries:
        """The same queries for every image."""
        content, anchors = (
            table.weight.expand(memory.shape[0], -1, -1) for table in (self.content, self.anchors)
        )
        return Queries(content, anchors)
