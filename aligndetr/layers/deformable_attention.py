"""The attention module of Deformable DETR."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from aligndetr.layers.attention import check_heads
from aligndetr.layers.ms_deform_attn import fused_ms_deform_attn
from aligndetr.layers.ms_deform_attn.reference import locations_and_weights
from aligndetr.layers.ms_deform_attn.selection import explain


class MultiScaleDeformableAttention(nn.Module):
    """Each query looks at a few points around its reference, in every level (Deformable DETR, 4.1).

    Args:
        embed_dim: C, a multiple of `num_heads`.
        num_heads: H.
        num_levels: L.
        num_points: P, points a head and level.

    Raises:
        ValueError: `embed_dim` is not a multiple of `num_heads`.
    """

    def __init__(
        self, embed_dim: int = 256, num_heads: int = 8, num_levels: int = 4, num_points: int = 4
    ) -> None:
        super().__init__()
        check_heads(embed_dim, num_heads)
        self.num_heads, self.num_levels, self.num_points = num_heads, num_levels, num_points
        self.sampling_offsets = nn.Linear(embed_dim, num_heads * num_levels * num_points * 2)
        self.attention_weights = nn.Linear(embed_dim, num_heads * num_levels * num_points)
        self.value_proj = nn.Linear(embed_dim, embed_dim)
        self.output_proj = nn.Linear(embed_dim, embed_dim)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Start with equal weights on points that walk away from the reference, one way a head."""
        nn.init.zeros_(self.sampling_offsets.weight)
        nn.init.zeros_(self.attention_weights.weight)
        nn.init.zeros_(self.attention_weights.bias)
        for projection in (self.value_proj, self.output_proj):
            nn.init.xavier_uniform_(projection.weight)
            nn.init.zeros_(projection.bias)
        bias = self.sampling_offsets.bias
        angles = torch.arange(self.num_heads, dtype=bias.dtype) * (2 * math.pi / self.num_heads)
        directions = torch.stack([angles.cos(), angles.sin()], -1)
        directions = directions / directions.abs().amax(-1, keepdim=True)
        steps = torch.arange(1, self.num_points + 1, dtype=bias.dtype)
        walk = directions[:, None, None] * steps[:, None]  # (H, 1, P, 2)
        with torch.no_grad():
            bias.copy_(walk.expand(-1, self.num_levels, -1, -1).flatten())

    def forward(
        self,
        query: Tensor,
        reference: Tensor,
        value: Tensor,
        spatial_shapes: Sequence[tuple[int, int]],
        padding: Tensor | None,
        query_pos: Tensor | None = None,
    ) -> Tensor:
        """Attend to `value` around `reference`.

        Args:
            query (B,Q,C): content.
            reference (B,Q,L,2|4): points or boxes (cxcywh), normalised to the padded level, that
                is to what `spatial_shapes` describes.
            value (B,S,C): tokens.
            spatial_shapes: L pairs (height, width) of Python ints.
            padding (B,S): True where a token is padding, or None.
            query_pos (B,Q,C): added to the content before the projections, or None.

        Returns:
            Tensor (B,Q,C), without the residual.

        Raises:
            ValueError: a shape does not fit the others or the module.
        """
        query = _positioned(query, query_pos)
        tokens = self.value_proj(value)
        if padding is not None:
            tokens = tokens.masked_fill(padding[..., None], 0.0)
        tokens = tokens.unflatten(-1, (self.num_heads, -1))
        sampled = fused_ms_deform_attn(tokens, spatial_shapes, *self._points(query), reference)
        return self.output_proj(sampled)

    def no_fixed_order(self, dtype: torch.dtype) -> str | None:
        """Why gradients of values of a dtype are sums without a fixed order on a GPU, or None."""
        name, reason = explain("cuda", dtype)
        if name != "reference":
            return None
        return f"grid_sample computes it there ({reason}); the triton kernels have a fixed order"

    @torch.no_grad()
    def sampling_points(
        self,
        query: Tensor,
        reference: Tensor,
        spatial_shapes: Sequence[tuple[int, int]],
        query_pos: Tensor | None = None,
    ) -> tuple[Tensor, Tensor]:
        """Where `forward` looks, which it fuses into its result and never shows (equation 3).

        Args:
            query, reference, spatial_shapes, query_pos: as `forward` takes them.

        Returns:
            Locations (B,Q,H,L,P,2), x, y in [0, 1] of the padded level, and their weights
            (B,Q,H,L,P), which sum to 1 over L and P.
        """
        offsets, logits = self._points(_positioned(query, query_pos))
        return locations_and_weights(spatial_shapes, offsets, logits, reference)

    def _points(self, query: Tensor) -> tuple[Tensor, Tensor]:
        """Offsets (B,Q,H,L,P,2) and the logits of their weights (B,Q,H,L,P)."""
        points = (self.num_heads, self.num_levels, self.num_points)
        offsets = self.sampling_offsets(query).unflatten(-1, (*points, 2))
        return offsets, self.attention_weights(query).unflatten(-1, points)


def _positioned(query: Tensor, query_pos: Tensor | None) -> Tensor:
    return query if query_pos is None else query + query_pos
