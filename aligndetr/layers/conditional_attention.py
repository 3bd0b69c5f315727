"""Attention with separate projections of content and position (Conditional DETR, DAB-DETR)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from aligndetr.layers.attention import MultiHeadAttention, unseen


@dataclass
class ModulatedPosition:
    """Where queries are, in two forms.

    Attributes:
        embedding: (B, Q, C) for attention among queries.
        sine: (B, Q, C) sines of the centre, y before x, scaled by content and by size, for
            attention to the sines of pixel positions.
    """

    embedding: Tensor
    sine: Tensor


class ConditionalSelfAttention(MultiHeadAttention):
    """Queries and keys are sums of projected content and projected position; values are content.

    Arguments are those of `MultiHeadAttention`.
    """

    def __init__(self, embed_dim: int, num_heads: int, dropout: float = 0.0) -> None:
        super().__init__(embed_dim, num_heads, dropout)
        self.query_content_proj = Projection(embed_dim)
        self.query_pos_proj = Projection(embed_dim)
        self.key_content_proj = Projection(embed_dim)
        self.key_pos_proj = Projection(embed_dim)
        self.value_proj = Projection(embed_dim)
        self.out_proj = Projection(embed_dim)

    def forward(
        self, x: Tensor, position: ModulatedPosition, blocked: Tensor | None = None
    ) -> Tensor:
        """Attend among the queries.

        Args:
            x: (B, Q, C) content.
            position: of the queries.
            blocked: (Q, Q) bool, True where the row's query must not see the column's.

        Returns:
            (B, Q, C) without the residual.
        """
        query = self.query_content_proj(x) + self.query_pos_proj(position.embedding)
        key = self.key_content_proj(x) + self.key_pos_proj(position.embedding)
        heads = [self.heads(t) for t in (query, key, self.value_proj(x))]
        return self.attend(*heads, blocked)


class ConditionalCrossAttention(MultiHeadAttention):
    """Content is compared with content and position with position, side by side in every head.

    Conditional DETR, section 3.2: the two dot products add up, so that a query can look for a
    place as well as for a thing. Heads have 2 C / num_heads features. Arguments are those of
    `MultiHeadAttention`.
    """

    def __init__(self, embed_dim: int, num_heads: int, dropout: float = 0.0) -> None:
        super().__init__(embed_dim, num_heads, dropout)
        self.query_content_proj = Projection(embed_dim)
        self.query_pos_sine_proj = Projection(embed_dim)
        self.key_content_proj = Projection(embed_dim)
        self.key_pos_proj = Projection(embed_dim)
        self.value_proj = Projection(embed_dim)
        self.out_proj = Projection(embed_dim)

    def forward(
        self,
        x: Tensor,
        position: ModulatedPosition,
        memory: Tensor,
        memory_position: Tensor,
        padding: Tensor | None = None,
    ) -> Tensor:
        """Attend to memory.

        Args:
            x: (B, Q, C) content of the queries.
            position: of the queries.
            memory: (B, S, C).
            memory_position: (B, S, C) sines of the pixel positions.
            padding: (B, S) bool, True where a token is padding; None when nothing is padded.

        Returns:
            (B, Q, C) without the residual.
        """
        key_position = self.key_pos_proj(memory_position)
        query, key = self.contents(x, position, memory, key_position)
        sine = self.query_pos_sine_proj(position.sine)
        query = torch.cat([self.heads(query), self.heads(sine)], dim=-1)
        key = torch.cat([self.heads(key), self.heads(key_position)], dim=-1)
        return self.attend(query, key, self.heads(self.value_proj(memory)), unseen(padding))

    def contents(
        self, x: Tensor, position: ModulatedPosition, memory: Tensor, key_position: Tensor
    ) -> tuple[Tensor, Tensor]:
        """The first halves of queries (B, Q, C) and keys (B, S, C)."""
        return self.query_content_proj(x), self.key_content_proj(memory)


class FirstConditionalCrossAttention(ConditionalCrossAttention):
    """Conditional cross-attention of the first layer, where queries have no content yet.

    Positions therefore are added to the content halves, too.
    """

    def __init__(self, embed_dim: int, num_heads: int, dropout: float = 0.0) -> None:
        super().__init__(embed_dim, num_heads, dropout)
        self.query_pos_proj = Projection(embed_dim)

    def contents(
        self, x: Tensor, position: ModulatedPosition, memory: Tensor, key_position: Tensor
    ) -> tuple[Tensor, Tensor]:
        """The first halves of queries (B, Q, C) and keys (B, S, C)."""
        query, key = super().contents(x, position, memory, key_position)
        return query + self.query_pos_proj(position.embedding), key + key_position


class Projection(nn.Linear):
    """A map from C to C features with Xavier-uniform weights, as published transformers start."""

    def __init__(self, embed_dim: int) -> None:
        super().__init__(embed_dim, embed_dim)

    def reset_parameters(self) -> None:
        """As `nn.Linear`, then the weights."""
        super().reset_parameters()
        nn.init.xavier_uniform_(self.weight)
