"""The operator in plain PyTorch: the oracle of every other implementation, and what is exported."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

OUTSIDE = 3.0  # in grid_sample's [-1, 1] units this is a pixel or more outside of any level


def accumulation_dtype(dtype: torch.dtype) -> torch.dtype:
    """The dtype in which sums are made for tensors of `dtype`: half precision adds in float32."""
    return torch.float32 if dtype in (torch.bfloat16, torch.float16) else dtype


def sample_reference(
    value: Tensor,
    spatial_shapes: Sequence[tuple[int, int]],
    sampling_locations: Tensor,
    attention_weights: Tensor,
) -> Tensor:
    """`ms_deform_attn` by `grid_sample`, one level after the other.

    A location that is not finite contributes nothing: it is moved outside, where the padding is
    zero, and its gradient is zero.

    Args and Returns: as `ms_deform_attn`.
    """
    B, _, H, D = value.shape
    Q, P = sampling_locations.shape[1], sampling_locations.shape[4]
    dtype = accumulation_dtype(value.dtype)
    grids = 2 * sampling_locations.to(dtype) - 1
    grids = grids.nan_to_num(OUTSIDE, OUTSIDE, -OUTSIDE).clamp(-OUTSIDE, OUTSIDE)
    levels = value.to(dtype).split([h * w for h, w in spatial_shapes], dim=1)
    out = value.new_zeros((B * H, D, Q), dtype=dtype)
    for i, (level, (h, w)) in enumerate(zip(levels, spatial_shapes, strict=True)):
        image = level.permute(0, 2, 3, 1).reshape(B * H, D, h, w)
        grid = grids[:, :, :, i].transpose(1, 2).reshape(B * H, Q, P, 2)
        weight = attention_weights[:, :, :, i].to(dtype).transpose(1, 2).reshape(B * H, 1, Q, P)
        sampled = F.grid_sample(image, grid, padding_mode="zeros", align_corners=False)
        out = out + (sampled * weight).sum(-1)
    return out.reshape(B, H * D, Q).transpose(1, 2).contiguous().to(value.dtype)


def sampling_locations(
    spatial_shapes: Sequence[tuple[int, int]], offsets: Tensor, reference: Tensor
) -> Tensor:
    """Where to sample (Deformable DETR, equation 2 and appendix A.4).

    Args:
        spatial_shapes: L pairs (height, width).
        offsets (B,Q,H,L,P,2): x, y; in pixels of each level for reference points, in halves of
            the box divided by P for reference boxes.
        reference (B,Q,L,2|4): points x, y or boxes cx, cy, w, h, in [0, 1].

    Returns:
        Tensor (B,Q,H,L,P,2): x, y in [0, 1].
    """
    anchor = reference[:, :, None, :, None]
    if reference.shape[-1] == 2:
        # A tensor for each number, so that an exported program does not freeze the sizes.
        dtype, device = offsets.dtype, offsets.device
        sides = (side for h, w in spatial_shapes for side in (w, h))
        sizes = [torch.scalar_tensor(side, dtype=dtype, device=device) for side in sides]
        return anchor + offsets / torch.stack(sizes).view(-1, 1, 2)
    return anchor[..., :2] + offsets * anchor[..., 2:] * (0.5 / offsets.shape[4])


def fused_reference(
    value: Tensor,
    spatial_shapes: Sequence[tuple[int, int]],
    offsets: Tensor,
    logits: Tensor,
    reference: Tensor,
) -> Tensor:
    """`fused_ms_deform_attn` as the sum of its parts; arguments and result are the same."""
    locations, weights = locations_and_weights(spatial_shapes, offsets, logits, reference)
    return sample_reference(value, spatial_shapes, locations, weights)


def locations_and_weights(
    spatial_shapes: Sequence[tuple[int, int]], offsets: Tensor, logits: Tensor, reference: Tensor
) -> tuple[Tensor, Tensor]:
    """What `ms_deform_attn` takes, from what `fused_ms_deform_attn` takes."""
    dtype = accumulation_dtype(logits.dtype)
    locations = sampling_locations(spatial_shapes, offsets.to(dtype), reference.to(dtype))
    return locations, logits.to(dtype).flatten(3).softmax(-1).view_as(logits)
