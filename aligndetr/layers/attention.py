"""Dense multi-head attention, among queries and from queries to memory."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class MultiHeadAttention(nn.Module):
    """What dense attention modules share; `out_proj` is what they make last.

    Args:
        embed_dim: C, divisible by `num_heads`.
        num_heads: attention heads.
        dropout: of attention weights, in training.

    Raises:
        ValueError: `embed_dim` is not divisible by `num_heads`.
    """

    out_proj: nn.Linear  # made by the subclasses

    def __init__(self, embed_dim: int, num_heads: int, dropout: float = 0.0) -> None:
        super().__init__()
        check_heads(embed_dim, num_heads)
        self.num_heads = num_heads
        self.dropout = dropout

    def heads(self, x: Tensor) -> Tensor:
        """(B, N, C) -> (B, num_heads, N, C / num_heads)."""
        return split_heads(x, self.num_heads)

    def attend(self, query: Tensor, key: Tensor, value: Tensor, blocked: Tensor | None) -> Tensor:
        """Scaled dot-product attention of all heads, and the output projection.

        Args:
            query: (B, heads, N, E).
            key: (B, heads, M, E).
            value: (B, heads, M, D).
            blocked: bool, broadcasts to (B, heads, N, M), True where row may not see column; or
                None.

        Returns:
            (B, N, C).
        """
        allowed = None if blocked is None else ~blocked
        dropout = self.dropout if self.training else 0.0
        attended = F.scaled_dot_product_attention(query, key, value, allowed, dropout_p=dropout)
        return self.out_proj(attended.transpose(1, 2).flatten(2))


class SelfAttention(MultiHeadAttention):
    """Multi-head self-attention whose queries and keys, not values, carry positions (DETR).

    Parameters have the names and layout of `torch.nn.MultiheadAttention`; attention weights are
    never materialised. Arguments are those of `MultiHeadAttention`.
    """

    def __init__(self, embed_dim: int, num_heads: int, dropout: float = 0.0) -> None:
        super().__init__(embed_dim, num_heads, dropout)
        self.in_proj_weight = nn.Parameter(torch.empty(3 * embed_dim, embed_dim))
        self.in_proj_bias = nn.Parameter(torch.empty(3 * embed_dim))
        self.out_proj = nn.Linear(embed_dim, embed_dim)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Xavier-uniform projections, zero biases."""
        nn.init.xavier_uniform_(self.in_proj_weight)
        nn.init.zeros_(self.in_proj_bias)
        nn.init.xavier_uniform_(self.out_proj.weight)
        nn.init.zeros_(self.out_proj.bias)

    def forward(self, x: Tensor, position: Tensor, blocked: Tensor | None = None) -> Tensor:
        """Attend among the N elements of x.

        Args:
            x: (B, N, C).
            position: (B, N, C), added for queries and keys.
            blocked: bool, (N, N) or what broadcasts to (B, heads, N, N), such as a padding mask
                of shape (B, 1, 1, N): True where row may not see column; None when all may.

        Returns:
            (B, N, C) without the residual.
        """
        dim = x.shape[-1]
        sizes = (2 * dim, dim)
        weights, biases = self.in_proj_weight.split(sizes), self.in_proj_bias.split(sizes)
        query, key = F.linear(x + position, weights[0], biases[0]).chunk(2, dim=-1)
        value = F.linear(x, weights[1], biases[1])
        return self.attend(*[self.heads(t) for t in (query, key, value)], blocked)


class CrossAttention(SelfAttention):
    """Multi-head attention to memory; queries and keys, not values, carry positions (DETR)."""

    def forward(
        self,
        x: Tensor,
        position: Tensor,
        memory: Tensor,
        memory_position: Tensor,
        padding: Tensor | None = None,
    ) -> Tensor:
        """Attend to memory.

        Args:
            x: (B, Q, C).
            position: (B, Q, C).
            memory: (B, S, C).
            memory_position: (B, S, C).
            padding: (B, S) bool, True where a token is padding; None when nothing is padded.

        Returns:
            (B, Q, C) without the residual.
        """
        weights, biases = self.in_proj_weight.chunk(3), self.in_proj_bias.chunk(3)
        inputs = (x + position, memory + memory_position, memory)
        projected = [F.linear(*each) for each in zip(inputs, weights, biases, strict=True)]
        return self.attend(*[self.heads(t) for t in projected], unseen(padding))


def split_heads(x: Tensor, num_heads: int) -> Tensor:
    """(B, N, C) -> (B, num_heads, N, C / num_heads)."""
    return x.unflatten(-1, (num_heads, -1)).transpose(1, 2)


def unseen(padding: Tensor | None) -> Tensor | None:
    """What (B, S) padding, if there is any, forbids every query of every head: (B, 1, 1, S)."""
    return None if padding is None else padding[:, None, None]


def check_heads(embed_dim: int, num_heads: int) -> None:
    """Raise a ValueError unless every head gets as many of the C features."""
    if embed_dim % num_heads:
        raise ValueError(f"embed_dim {embed_dim} is not divisible by num_heads {num_heads}")
