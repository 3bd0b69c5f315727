"""The operator in ONNX: bilinear samples by GridSample, in float32 whatever is around it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from aligndetr.layers.ms_deform_attn.reference import OUTSIDE

OPSET = 18  # GridSample of 16 to 19 calls its mode "bilinear"


def deform_attn_in_onnx(
    value: Any, shapes: Sequence[Any], points: Any, scores: Any, reference: Any | None = None
) -> Any:
    """What `torch.onnx.export` puts in place of `registration.deform_attn`.

    In half precision some runtimes fuse what surrounds GridSample and miss half of the objects;
    here all between the inputs and the weighted sum is float32.

    Args:
        value, points, scores, reference: as `cpp.forward` takes them, as values of a graph.
        shapes: height and width of each level, numbers or values of the graph.

    Returns:
        (B, Q, H * D) in the type of `value`.
    """
    from onnxscript import FLOAT
    from onnxscript import opset18 as op

    heads, channels = value.shape[2], value.shape[3]
    levels, per_level = points.shape[3], points.shape[4]
    wide = [op.Cast(each, to=FLOAT.dtype) for each in (value, points, scores)]
    tokens = op.Transpose(wide[0], perm=[0, 2, 3, 1])  # (B, H, D, S)
    sides = [_vector(side) for side in shapes]
    locations, weights = wide[1], wide[2]
    if reference is not None:
        locations = _locations(locations, reference, sides, per_level)
        flat = op.Reshape(weights, op.Constant(value_ints=[0, 0, 0, -1]))
        weights = op.Softmax(flat, axis=-1)
    queries = op.Shape(points, start=1, end=2)
    grids = op.Sub(op.Mul(locations, _number(2.0)), _number(1.0))
    grids = op.Clip(grids, _number(-OUTSIDE), _number(OUTSIDE))
    grids = op.Transpose(grids, perm=[0, 2, 3, 1, 4, 5])  # (B, H, L, Q, P, 2)
    grids = op.Reshape(grids, op.Concat(_ints(-1, levels), queries, _ints(per_level, 2), axis=0))
    parted = op.Concat(_ints(0, 0, heads, levels, per_level), axis=0)
    weights = op.Transpose(op.Reshape(weights, parted), perm=[0, 2, 3, 1, 4])
    weights = op.Reshape(weights, op.Concat(_ints(-1, levels), queries, _ints(per_level), axis=0))
    start, total = _ints(0), None
    for level in range(levels):
        height, width = sides[2 * level : 2 * level + 2]
        end = op.Add(start, op.Mul(height, width))
        image = op.Reshape(
            op.Slice(tokens, start, end, _ints(3)),
            op.Concat(_ints(-1, channels), height, width, axis=0),
        )
        index = op.Constant(value_int=level)
        grid = op.Gather(grids, index, axis=1)  # (B * H, Q, P, 2)
        sampled = op.GridSample(image, grid, mode="bilinear", padding_mode="zeros", align_corners=0)
        weight = op.Unsqueeze(op.Gather(weights, index, axis=1), _ints(1))
        part = op.ReduceSum(op.Mul(sampled, weight), _ints(3), keepdims=0)  # (B * H, D, Q)
        total, start = part if total is None else op.Add(total, part), end
    joined = op.Reshape(total, op.Concat(_ints(-1, heads * channels), queries, axis=0))
    return op.CastLike(op.Transpose(joined, perm=[0, 2, 1]), value)


def _locations(offsets: Any, reference: Any, sides: Sequence[Any], per_level: int) -> Any:
    """(B, Q, H, L, P, 2) x, y in [0, 1]; see `reference.sampling_locations`."""
    from onnxscript import FLOAT
    from onnxscript import opset18 as op

    size = reference.shape[-1]
    anchors = op.Unsqueeze(op.Cast(reference, to=FLOAT.dtype), _ints(2, 4))  # (B, Q, 1, L, 1, size)
    if size == 2:
        swapped = [side for h, w in zip(sides[::2], sides[1::2], strict=True) for side in (w, h)]
        scale = op.Cast(op.Concat(*swapped, axis=0), to=FLOAT.dtype)
        return op.Add(anchors, op.Div(offsets, op.Reshape(scale, _ints(-1, 1, 2))))
    centers = op.Slice(anchors, _ints(0), _ints(2), _ints(-1))
    sizes = op.Slice(anchors, _ints(2), _ints(4), _ints(-1))
    return op.Add(centers, op.Mul(op.Mul(offsets, sizes), _number(0.5 / per_level)))


def _vector(side: Any) -> Any:
    """(1,) of a number, or of a value without dimensions."""
    from onnxscript import opset18 as op

    if isinstance(side, int):
        return _ints(side)
    return op.Reshape(side, _ints(1))


def _ints(*values: int) -> Any:
    from onnxscript import opset18 as op

    return op.Constant(value_ints=list(values))


def _number(value: float) -> Any:
    from onnxscript import opset18 as op

    return op.Constant(value_float=value)
