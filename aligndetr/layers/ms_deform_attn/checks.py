"""Wrong arguments become sentences, before any kernel sees them."""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from aligndetr.layers.ms_deform_attn.reference import accumulation_dtype

MAX_SIDE = 2**24  # above, float32 cannot tell neighbouring pixels apart
MAX_TOKENS = 2**31 - 1


def check_arguments(
    value: Tensor,
    spatial_shapes: Sequence[tuple[int, int]],
    points: Mapping[str, Tensor],
    reference: Tensor | None = None,
) -> None:
    """Raise ValueError or TypeError unless all fit each other.

    Args:
        value: (B,S,H,D).
        spatial_shapes: L pairs (height, width).
        points: (B,Q,H,L,P,2) points, then (B,Q,H,L,P) scores, by name.
        reference: (B,Q,L,2|4) or None.
    """
    _check_value(value, spatial_shapes)
    _check_points(value, len(spatial_shapes), *points.items())
    others = dict(points)
    if reference is not None:
        _check_reference(next(iter(points.values())), reference)
        others["reference"] = reference
    _check_alike(value, others)


def _check_value(value: Tensor, spatial_shapes: Sequence[tuple[int, int]]) -> None:
    if value.ndim != 4:
        raise ValueError(f"value must be (B, S, H, D), got {tuple(value.shape)}")
    if value.dtype not in (torch.float32, torch.float64, torch.bfloat16, torch.float16):
        raise TypeError(f"value must be a float32, float64, bfloat16 or float16, not {value.dtype}")
    if not spatial_shapes:
        raise ValueError("spatial_shapes must name at least one level")
    for h, w in spatial_shapes:
        if not (0 < h <= MAX_SIDE and 0 < w <= MAX_SIDE):
            raise ValueError(f"spatial_shapes: sides must be 1 to {MAX_SIDE}, got {(h, w)}")
    tokens = sum(h * w for h, w in spatial_shapes)
    if tokens != value.shape[1]:
        raise ValueError(
            f"spatial_shapes {list(spatial_shapes)} hold {tokens} tokens, "
            f"value has {value.shape[1]}"
        )
    if tokens > MAX_TOKENS:
        raise ValueError(f"at most {MAX_TOKENS} tokens an image are supported, got {tokens}")


def _check_points(
    value: Tensor, num_levels: int, points: tuple[str, Tensor], scores: tuple[str, Tensor]
) -> None:
    (points_name, xy), (scores_name, score) = points, scores
    B, _, H, _ = value.shape
    if xy.ndim != 6 or xy.shape[-1] != 2:
        raise ValueError(f"{points_name} must be (B, Q, H, L, P, 2), got {tuple(xy.shape)}")
    if (xy.shape[0], xy.shape[2], xy.shape[3]) != (B, H, num_levels) or xy.shape[4] < 1:
        raise ValueError(
            f"{points_name} {tuple(xy.shape)} must have B={B}, H={H}, L={num_levels} as value and "
            "spatial_shapes have, and at least one point"
        )
    if score.shape != xy.shape[:-1]:
        raise ValueError(
            f"{scores_name} must be {tuple(xy.shape[:-1])} as {points_name} has it, "
            f"got {tuple(score.shape)}"
        )


def _check_reference(points: Tensor, reference: Tensor) -> None:
    B, Q, _, L = points.shape[:4]
    if reference.ndim != 4 or reference.shape[:3] != (B, Q, L) or reference.shape[3] not in (2, 4):
        raise ValueError(
            f"reference must be (B, Q, L, 2 or 4) with B={B}, Q={Q}, L={L}, "
            f"got {tuple(reference.shape)}"
        )


def _check_alike(value: Tensor, others: Mapping[str, Tensor]) -> None:
    """On one device, and of the dtype of `value` or its accumulation dtype."""
    allowed = (value.dtype, accumulation_dtype(value.dtype))
    mixed = torch.is_autocast_enabled(value.device.type)  # then any floating ones are converted
    for name, tensor in others.items():
        if tensor.device != value.device:
            raise ValueError(f"{name} is on {tensor.device}, value on {value.device}")
        if tensor.dtype not in allowed and not (mixed and tensor.is_floating_point()):
            raise TypeError(f"{name} is {tensor.dtype}, value {value.dtype}: convert one of them")
