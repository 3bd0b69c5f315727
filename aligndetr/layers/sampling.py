"""Where deformable attention looks: its sampling points, for drawings and explanations."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from aligndetr.layers.deformable_attention import MultiScaleDeformableAttention
from aligndetr.layers.ms_deform_attn.reference import sampling_locations


@dataclass
class SamplingPoints:
    """What every head of every query samples.

    Attributes:
        locations: (B, Q, H, L, P, 2) x, y in [0, 1] of the padded level.
        weights: (B, Q, H, L, P), summing to 1 over L and P.
    """

    locations: Tensor
    weights: Tensor


@torch.no_grad()
def sampling_points(
    attention: MultiScaleDeformableAttention,
    query: Tensor,
    reference: Tensor,
    spatial_shapes: Sequence[tuple[int, int]],
    query_pos: Tensor | None = None,
) -> SamplingPoints:
    """The points that `attention` fuses into its result and never shows (Deformable DETR, eq. 3).

    `ms_deform_attn` with these and with the projected value, then `output_proj`, is what the
    module returns.

    Args:
        attention: the module.
        query, reference, spatial_shapes, query_pos: as it is called with.
    """
    if query_pos is not None:
        query = query + query_pos
    points = (attention.num_heads, attention.num_levels, attention.num_points)
    offsets = attention.sampling_offsets(query).unflatten(-1, (*points, 2))
    logits = attention.attention_weights(query)
    weights = logits.unflatten(-1, (attention.num_heads, -1)).softmax(-1)
    return SamplingPoints(
        sampling_locations(spatial_shapes, offsets, reference), weights.unflatten(-1, points[1:])
    )
