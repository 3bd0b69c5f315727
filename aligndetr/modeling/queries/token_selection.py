"""Queries that are selected among the tokens of the memory."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from aligndetr.errors import ConfigError
from aligndetr.layers.position_embedding import sine_embedding
from aligndetr.modeling.pyramid import Pyramid
from aligndetr.modeling.queries.queries import Queries
from aligndetr.structures import Predictions


class TokenProposals(nn.Module):
    """Every token proposes a class and a box around itself (Deformable-DETR, appendix A.4).

    Args:
        class_head: (..., C) -> (..., K).
        box_head: (..., C) -> (..., 4) corrections in logit space.
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
        self.num_queries = num_queries
        self.memory_proj = nn.Linear(embed_dim, embed_dim)
        self.memory_norm = nn.LayerNorm(embed_dim)
        self.class_head = class_head
        self.box_head = box_head
        self.base_size = base_size
        nn.init.xavier_uniform_(self.memory_proj.weight)
        nn.init.zeros_(self.memory_proj.bias)
        self.add_parts(embed_dim)

    def add_parts(self, embed_dim: int) -> None:
        """What a kind of queries learns besides: made last, after the parts of all kinds."""

    def features(self, memory: Tensor, pyramid: Pyramid) -> tuple[Tensor, Tensor]:
        """What proposals are made of.

        Returns:
            (B, S, C) features of all tokens and (B, S, 4) logits of the boxes around them.
        """
        anchors, outside = self._token_anchors(pyramid)
        return self.memory_norm(self.memory_proj(memory.masked_fill(outside, 0.0))), anchors

    def most_object_like(
        self, memory: Tensor, pyramid: Pyramid, num_queries: int
    ) -> tuple[Tensor, Predictions]:
        """Where objects are, as class channel 0 alone tells.

        Returns:
            Logits (B, Q, 4) of the best boxes, best first and without gradient, at most as many
            as there are tokens; and the proposals of all tokens.
        """
        features, anchors = self.features(memory, pyramid)
        logits = self.class_head(features)
        anchors = self.box_head(features) + anchors
        chosen = take(anchors, top_tokens(logits[..., 0], num_queries)).detach()
        return chosen, Predictions(logits.unsqueeze(0), anchors.sigmoid().unsqueeze(0))

    def best(self, memory: Tensor, pyramid: Pyramid) -> tuple[Tensor, Tensor, Predictions]:
        """The tokens with the highest score of any class, as many as there are.

        Returns:
            Features (B, Q, C) and logits (B, Q, 4) of boxes, both without gradient, and the
            predictions of these tokens, one layer.
        """
        features, anchors = self.features(memory, pyramid)
        logits = self.class_head(features)
        top = top_tokens(logits.amax(-1), self.num_queries)
        features = take(features, top)
        anchors = self.box_head(features) + take(anchors, top)
        proposals = Predictions(take(logits, top).unsqueeze(0), anchors.sigmoid().unsqueeze(0))
        return features.detach(), anchors.detach(), proposals

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


class TwoStageQueries(TokenProposals):
    """Learned content at the anchors that the encoder proposes (mixed query selection, DINO 3.3).

    The tokens with the highest class score become anchors, without gradient. Content starts
    Xavier-uniform, as the published transformer does with every matrix that it holds. Arguments are
    those of `TokenProposals`.
    """

    def add_parts(self, embed_dim: int) -> None:
        """Content."""
        self.content = nn.Embedding(self.num_queries, embed_dim)
        nn.init.xavier_uniform_(self.content.weight)

    def forward(self, memory: Tensor, pyramid: Pyramid) -> Queries:
        """Select queries from memory (B, S, C); only the selected tokens are proposals."""
        _, anchors, proposals = self.best(memory, pyramid)
        content = self.content.weight[: anchors.shape[1]].expand(memory.shape[0], -1, -1)
        return Queries(content, anchors, proposals=proposals)


class RoutedQueries(TwoStageQueries):
    """In training the same queries a second time, with an instruction (after Mr. DETR, 2412.10028).

    Both routes share the decoder and do not see each other. `HybridCriterion` matches the first
    one-to-one and the second one-to-many; evaluation has the first alone. The instruction is a
    learned vector, added to the content once. In the paper it is given to the self-attention of
    every layer, and a third route has feed-forward networks of its own. Arguments are those of
    `TokenProposals`.
    """

    def add_parts(self, embed_dim: int) -> None:
        """Content, and the instruction."""
        super().add_parts(embed_dim)
        self.instruction = nn.Parameter(torch.empty(1, embed_dim))
        nn.init.xavier_uniform_(self.instruction)

    def forward(self, memory: Tensor, pyramid: Pyramid) -> Queries:
        """Select queries from memory (B, S, C), and in training repeat them.

        Raises:
            ConfigError: in training there are fewer tokens than queries, so that nobody could tell
                where the second route begins.
        """
        queries = super().forward(memory, pyramid)
        if not self.training:
            return queries
        if queries.content.shape[1] < self.num_queries:
            raise ConfigError(
                f"{self.num_queries} queries, but images of {memory.shape[1]} tokens: lower "
                "model.num_queries or train with larger images"
            )
        second = queries.content + self.instruction
        content, anchors = torch.cat([queries.content, second], 1), queries.anchors.repeat(1, 2, 1)
        blocked = between_branches(content, self.num_queries)
        return replace(queries, content=content, anchors=anchors, blocked=blocked)


class TokenQueries(TokenProposals):
    """Content and anchors of the tokens with the highest class score (RT-DETR, section 4.3).

    Both are taken without gradient: the encoder learns from its proposals and as memory. Arguments
    are those of `TokenProposals`.
    """

    def forward(self, memory: Tensor, pyramid: Pyramid) -> Queries:
        """Select queries from memory (B, S, C); only the selected tokens are proposals."""
        features, anchors, proposals = self.best(memory, pyramid)
        return Queries(features, anchors, proposals=proposals)


class ProposedQueries(TokenProposals):
    """Content and position both from the boxes that the encoder proposes (Deformable-DETR, A.4).

    Class channel 0 alone tells object from background. Arguments are those of `TokenProposals`.
    """

    def add_parts(self, embed_dim: int) -> None:
        """What turns a box's sines into position and content."""
        self.position_proj = nn.Linear(2 * embed_dim, 2 * embed_dim)
        self.position_norm = nn.LayerNorm(2 * embed_dim)
        nn.init.xavier_uniform_(self.position_proj.weight)

    def forward(self, memory: Tensor, pyramid: Pyramid) -> Queries:
        """Select queries from memory (B, S, C); all tokens are proposals."""
        chosen, proposals = self.most_object_like(memory, pyramid, self.num_queries)
        position, content = self.position_and_content(chosen)
        return Queries(content, chosen, position, proposals)

    def position_and_content(self, anchors: Tensor) -> tuple[Tensor, Tensor]:
        """Of boxes with logits (B, Q, 4): twice (B, Q, C)."""
        sines = sine_embedding(anchors.sigmoid(), self.position_proj.in_features // 4)
        return self.position_norm(self.position_proj(sines)).chunk(2, dim=-1)


class HybridQueries(ProposedQueries):
    """Learned content at proposed positions, with a second branch in training (H-DETR, 3.2).

    The best proposals form the first branch, which `HybridCriterion` matches one-to-one and which
    alone is there in evaluation; the next best form the second. The branches do not see each
    other. Position follows from the proposed boxes, content is learned (mixed selection).

    Args:
        num_one_to_many: queries of the second branch.
        proposals: arguments of `TokenProposals`; `num_queries` is that of the first branch.
    """

    def __init__(self, num_one_to_many: int, **proposals: Any) -> None:
        self.num_one_to_many = num_one_to_many
        super().__init__(**proposals)

    def add_parts(self, embed_dim: int) -> None:
        """Content of both branches, and what turns a box's sines into position."""
        self.content = nn.Embedding(self.num_queries + self.num_one_to_many, embed_dim)
        super().add_parts(embed_dim)

    def forward(self, memory: Tensor, pyramid: Pyramid) -> Queries:
        """Select queries from memory (B, S, C); all tokens are proposals."""
        wanted = self.content.num_embeddings if self.training else self.num_queries
        chosen, proposals = self.most_object_like(memory, pyramid, wanted)
        position, _ = self.position_and_content(chosen)  # content is learned
        content = self.content.weight[: chosen.shape[1]].expand(memory.shape[0], -1, -1)
        blocked = between_branches(chosen, self.num_queries) if self.training else None
        return Queries(content, chosen, position, proposals, blocked)


def between_branches(queries: Tensor, first: int) -> Tensor:
    """Mask (Q, Q) for (B, Q, ...) queries, True between the first `first` ones and the others."""
    branch = torch.arange(queries.shape[1], device=queries.device) < first
    return branch[:, None] != branch


def top_tokens(scores: Tensor, num_queries: int) -> Tensor:
    """Indices (B, Q, 1) of the highest of (B, S) scores, as many as there are."""
    return scores.topk(min(num_queries, scores.shape[1]), dim=1).indices.unsqueeze(-1)


def take(values: Tensor, index: Tensor) -> Tensor:
    """Rows (B, Q, F) of (B, S, F) values."""
    return values.gather(1, index.expand(-1, -1, values.shape[-1]))
