"""The two public functions: attention from locations and weights, and from raw projections."""

from collections.abc import Sequence

import torch
from torch import Tensor

from aligndetr.layers.ms_deform_attn.checks import check_arguments
from aligndetr.layers.ms_deform_attn.reference import fused_reference, sample_reference
from aligndetr.layers.ms_deform_attn.registration import deform_attn, match_dtypes
from aligndetr.layers.ms_deform_attn.selection import implementation, is_kept, log_choice
from aligndetr.layers.tracing import is_exporting


def _uses_reference(value: Tensor) -> bool:
    if is_exporting():
        return not is_kept()
    if not torch.compiler.is_compiling():
        log_choice(value.device.type, value.dtype)
    return implementation(value.device.type, value.dtype) == "reference"


def _flat(spatial_shapes: Sequence[tuple[int, int]]) -> list[int]:
    return [side for shape in spatial_shapes for side in shape]


def ms_deform_attn(
    value: Tensor,
    spatial_shapes: Sequence[tuple[int, int]],
    sampling_locations: Tensor,
    attention_weights: Tensor,
) -> Tensor:
    """Weighted sum of bilinear samples from several feature levels (Deformable DETR, equation 3).

    Args:
        value (B,S,H,D): tokens of all levels, row by row, one level after the other.
        spatial_shapes: L pairs (height, width) of Python ints; S is the sum of their products.
        sampling_locations (B,Q,H,L,P,2): x, y in [0, 1]; pixel centres are at (i + 0.5) / size.
            Outside of the level the value is zero; a location that is not finite counts as outside.
        attention_weights (B,Q,H,L,P): factors of the samples.

    Returns:
        Tensor (B,Q,H*D) of the dtype of `value`.

    Raises:
        ValueError: a shape or device does not fit the others.
        TypeError: a dtype is not supported or does not fit `value`.
    """
    named = {"sampling_locations": sampling_locations, "attention_weights": attention_weights}
    check_arguments(value, spatial_shapes, named)
    if _uses_reference(value):
        return sample_reference(value, spatial_shapes, sampling_locations, attention_weights)
    points, scores, _ = match_dtypes(value, sampling_locations, attention_weights, None)
    return deform_attn(value, _flat(spatial_shapes), points, scores, None)


def fused_ms_deform_attn(
    value: Tensor,
    spatial_shapes: Sequence[tuple[int, int]],
    offsets: Tensor,
    logits: Tensor,
    reference: Tensor,
) -> Tensor:
    """Multi-scale deformable attention straight from the projections of the queries.

    Args:
        value (B,S,H,D), spatial_shapes: as in `ms_deform_attn`.
        offsets (B,Q,H,L,P,2): x, y; in pixels of each level for reference points, in halves of
            the box divided by P for reference boxes.
        logits (B,Q,H,L,P): the softmax runs over L and P together.
        reference (B,Q,L,2|4): points x, y or boxes cx, cy, w, h, in [0, 1].

    Returns:
        Tensor (B,Q,H*D) of the dtype of `value`.

    Raises:
        ValueError: a shape or device does not fit the others.
        TypeError: a dtype is not supported or does not fit `value`.
    """
    check_arguments(value, spatial_shapes, {"offsets": offsets, "logits": logits}, reference)
    if _uses_reference(value):
        return fused_reference(value, spatial_shapes, offsets, logits, reference)
    matched = match_dtypes(value, offsets, logits, reference)
    return deform_attn(value, _flat(spatial_shapes), *matched)
