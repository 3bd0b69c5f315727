"""Dense multi-head self-attention."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class SelfAttention(nn.Module):
    """Multi-head self-attention whose queries and keys, not values, carry positions (DETR).

    Parameters have the names and layout of `torch.nn.MultiheadAttention`; attention weights are
    never materialised.

    Args:
        embed_dim: C, divisible by `num_heads`.
        num_heads: attention heads.
        dropout: of attention weights, in training.

    Raises:
        ValueError: `embed_dim` is not divisible by `num_heads`.
    """

    def __init__(self, embed_dim: int, num_heads: int, dropout: float = 0.0) -> None:
        super().__init__()
        if embed_dim % num_heads:
            raise ValueError(f"embed_dim {embed_dim} is not divisible by num_heads {num_heads}")
        self.num_heads = num_heads
        self.dropout = dropout
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
            blocked: (N, N) bool, True where row may not see column; None when all may.

        Returns:
            (B, N, C) without the residual.
        """
        dim = x.shape[-1]
        weight, bias = self.in_proj_weight, self.in_proj_bias
        query, key = F.linear(x + position, weight[: 2 * dim], bias[: 2 * dim]).chunk(2, dim=-1)
        value = F.linear(x, weight[2 * dim :], bias[2 * dim :])
        attended = F.scaled_dot_product_attention(
            *(self._heads(t) for t in (query, key, value)),
            attn_mask=None if blocked is None else ~blocked,
            dropout_p=self.dropout if self.training else 0.0,
        )
        return self.out_proj(attended.transpose(1, 2).flatten(2))

    def _heads(self, x: Tensor) -> Tensor:
        return x.unflatten(-1, (self.num_heads, -1)).transpose(1, 2)
