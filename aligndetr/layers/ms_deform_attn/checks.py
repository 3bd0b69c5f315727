"""Wrong arguments become sentences, before any kernel sees them."""

from collections.abc import Sequence

import torch
from torch import Tensor

from aligndetr.layers.ms_deform_attn.reference import accumulation_dtype

MAX_SIDE = 2**24  # above, float32 cannot tell neighbouring pixels apart
MAX_TOKENS = 2**31 - 1


def check_value(value: Tensor, spatial_shapes: Sequence[tuple[int, int]]) -> None:
    """Raise ValueError or TypeError unless `value` (B,S,H,D) fits `spatial_shapes`."""
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


def check_points(
    value: Tensor, num_levels: int, points: tuple[str, Tensor], scores: tuple[str, Tensor]
) -> None:
    """Raise ValueError unless points (B,Q,H,L,P,2) and scores (B,Q,H,L,P) fit; both come named."""
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


def check_reference(points: Tensor, reference: Tensor) -> None:
    """Raise ValueError unless `reference` is (B,Q,L,2|4) for points (B,Q,H,L,P,2)."""
    B, Q, _, L = points.shape[:4]
    if reference.ndim != 4 or reference.shape[:3] != (B, Q, L) or reference.shape[3] not in (2, 4):
        raise ValueError(
            f"reference must be (B, Q, L, 2 or 4) with B={B}, Q={Q}, L={L}, "
            f"got {tuple(reference.shape)}"
        )


def check_alike(value: Tensor, **others: Tensor) -> None:
    """Raise unless `others` are on the device of `value` and of its dtype or accumulation dtype.

    Under autocast the dtypes may be any floating ones: they are converted.
    """
    allowed = (value.dtype, accumulation_dtype(value.dtype))
    mixed = torch.is_autocast_enabled(value.device.type)
    for name, tensor in others.items():
        if tensor.device != value.device:
            raise ValueError(f"{name} is on {tensor.device}, value on {value.device}")
        if tensor.dtype not in allowed and not (mixed and tensor.is_floating_point()):
            raise TypeError(f"{name} is {tensor.dtype}, value {value.dtype}: convert one of them")
