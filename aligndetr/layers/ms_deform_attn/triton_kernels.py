"""The GPU implementation in Triton: one program a query and head, all its points at once.

Sums are made in float32. The gradient of the value uses atomic additions, whose order varies from
run to run, or, after `torch.use_deterministic_algorithms(True)`, a sort and one sum a token.
"""

from collections.abc import Sequence

import torch
import triton
import triton.language as tl
from torch import Tensor


@triton.jit
def _locate(levels, points, scores, reference, item, H, P, LP, SIZE: tl.constexpr, N: tl.constexpr):
    """Corners of the points of one query and head: see csrc/points.h for the same in C++."""
    i = tl.arange(0, N)
    known = i < LP
    level = i // P
    height = tl.load(levels + 3 * level, known, 1)
    width = tl.load(levels + 3 * level + 1, known, 1)
    start = tl.load(levels + 3 * level + 2, known, 0)
    h, w = height.to(tl.float32), width.to(tl.float32)
    raw_x = tl.load(points + (item * LP + i) * 2, known, 0.0).to(tl.float32)
    raw_y = tl.load(points + (item * LP + i) * 2 + 1, known, 0.0).to(tl.float32)
    if SIZE == 0:
        weight = tl.load(scores + item * LP + i, known, 0.0).to(tl.float32)
        scale_x, scale_y = w, h
        base_x = tl.full((N,), -0.5, tl.float32)
        base_y = base_x
    else:
        logit = tl.load(scores + item * LP + i, known, float("-inf")).to(tl.float32)
        weight = tl.exp(logit - tl.max(logit, 0))
        weight = weight / tl.sum(weight, 0)
        anchor = reference + (item // H * (LP // P) + level) * SIZE
        base_x = tl.load(anchor, known, 0.0) * w - 0.5
        base_y = tl.load(anchor + 1, known, 0.0) * h - 0.5
        scale_x = tl.full((N,), 1.0, tl.float32)
        scale_y = scale_x
        if SIZE == 4:
            scale_x = tl.load(anchor + 2, known, 0.0) * w * (0.5 / P)
            scale_y = tl.load(anchor + 3, known, 0.0) * h * (0.5 / P)
    x, y = base_x + scale_x * raw_x, base_y + scale_y * raw_y
    inside = known & (x > -1) & (x < w) & (y > -1) & (y < h)  # False for NaN
    x, y = tl.where(inside, x, 0.0), tl.where(inside, y, 0.0)
    x0, y0 = tl.floor(x), tl.floor(y)
    right, bottom = x - x0, y - y0
    column, row = x0.to(tl.int32), y0.to(tl.int32)
    token = start + row * width + column
    has_left, has_right = inside & (column >= 0), inside & (column + 1 < width)
    has_top, has_bottom = row >= 0, row + 1 < height
    return (
        weight, raw_x, raw_y, scale_x, scale_y, w, h, token, width, right, bottom,
        has_left, has_right, has_top, has_bottom,
    )  # fmt: skip


@triton.jit
def _corner(value, token, exists, stride, d, D):
    """Rows (N, D) of one corner, zero where it does not exist."""
    mask = exists[:, None] & (d < D)[None, :]
    offset = token.to(tl.int64)[:, None] * stride + d[None, :]
    return tl.load(value + offset, mask, 0.0).to(tl.float32)


@triton.jit
def _forward(
    value, levels, points, scores, reference, out, S, Q, H, D, P, LP,
    SIZE: tl.constexpr, N: tl.constexpr, M: tl.constexpr,
):  # fmt: skip
    item = tl.program_id(0).to(tl.int64)
    (
        weight, _, _, _, _, _, _, token, width, right, bottom, left_in, right_in, top_in, bottom_in,
    ) = _locate(levels, points, scores, reference, item, H, P, LP, SIZE, N)  # fmt: skip
    d = tl.arange(0, M)
    stride = H * D
    image = value + item // (H * Q) * S * stride + item % H * D
    upper, lower = weight * (1 - bottom), weight * bottom
    total = _corner(image, token, left_in & top_in, stride, d, D) * (upper * (1 - right))[:, None]
    total += _corner(image, token + 1, right_in & top_in, stride, d, D) * (upper * right)[:, None]
    token += width
    total += (
        _corner(image, token, left_in & bottom_in, stride, d, D) * (lower * (1 - right))[:, None]
    )
    total += (
        _corner(image, token + 1, right_in & bottom_in, stride, d, D) * (lower * right)[:, None]
    )
    tl.store(out + item * D + d, tl.sum(total, 0).to(out.dtype.element_ty), d < D)


@triton.jit
def _scatter(
    grad_value, tokens, factors, token, factor, exists, gradient, item, corner, first, stride, d, D,
    LP, ATOMIC: tl.constexpr, N: tl.constexpr,
):  # fmt: skip
    """Add factor * gradient to rows of the value gradient, or leave a note of it."""
    if ATOMIC:
        mask = exists[:, None] & (d < D)[None, :]
        offset = token.to(tl.int64)[:, None] * stride + d[None, :]
        tl.atomic_add(grad_value + offset, factor[:, None] * gradient[None, :], mask)
    else:
        i = tl.arange(0, N)
        place = (item * 4 + corner) * LP + i
        tl.store(tokens + place, first + tl.where(exists, token, 0).to(tl.int64), i < LP)
        tl.store(factors + place, tl.where(exists, factor, 0.0), i < LP)


@triton.jit
def _backward(
    grad_out, value, levels, points, scores, reference, grad_value, tokens, factors, grad_points,
    grad_scores, grad_reference, S, Q, H, D, P, LP,
    SIZE: tl.constexpr, N: tl.constexpr, M: tl.constexpr, ATOMIC: tl.constexpr,
    NEEDS_REFERENCE: tl.constexpr,
):  # fmt: skip
    item = tl.program_id(0).to(tl.int64)
    (
        weight, raw_x, raw_y, scale_x, scale_y, w, h, token, width, right, bottom,
        left_in, right_in, top_in, bottom_in,
    ) = _locate(levels, points, scores, reference, item, H, P, LP, SIZE, N)  # fmt: skip
    d = tl.arange(0, M)
    i = tl.arange(0, N)
    stride = H * D
    start = item // (H * Q) * S * stride + item % H * D
    first = (item // (H * Q) * H + item % H) * S
    gradient = tl.load(grad_out + item * D + d, d < D, 0.0).to(tl.float32)
    image, grad_image = value + start, grad_value + start
    left, top = 1 - right, 1 - bottom
    e = left_in & top_in
    d0 = tl.sum(_corner(image, token, e, stride, d, D) * gradient[None, :], 1)
    _scatter(grad_image, tokens, factors, token, weight * top * left, e, gradient, item, 0, first, stride, d, D, LP, ATOMIC, N)  # fmt: skip # noqa: E501
    e = right_in & top_in
    d1 = tl.sum(_corner(image, token + 1, e, stride, d, D) * gradient[None, :], 1)
    _scatter(grad_image, tokens, factors, token + 1, weight * top * right, e, gradient, item, 1, first, stride, d, D, LP, ATOMIC, N)  # fmt: skip # noqa: E501
    token += width
    e = left_in & bottom_in
    d2 = tl.sum(_corner(image, token, e, stride, d, D) * gradient[None, :], 1)
    _scatter(grad_image, tokens, factors, token, weight * bottom * left, e, gradient, item, 2, first, stride, d, D, LP, ATOMIC, N)  # fmt: skip # noqa: E501
    e = right_in & bottom_in
    d3 = tl.sum(_corner(image, token + 1, e, stride, d, D) * gradient[None, :], 1)
    _scatter(grad_image, tokens, factors, token + 1, weight * bottom * right, e, gradient, item, 3, first, stride, d, D, LP, ATOMIC, N)  # fmt: skip # noqa: E501
    upper, lower = left * d0 + right * d1, left * d2 + right * d3
    sample = top * upper + bottom * lower
    pixel_x = weight * (top * (d1 - d0) + bottom * (d3 - d2))
    pixel_y = weight * (lower - upper)
    inside = left_in | right_in
    grad_x = tl.where(inside, pixel_x * scale_x, 0.0)
    grad_y = tl.where(inside, pixel_y * scale_y, 0.0)
    score = sample
    if SIZE > 0:
        score = weight * (sample - tl.sum(weight * sample, 0))
    known = i < LP
    kind = grad_points.dtype.element_ty
    tl.store(grad_points + (item * LP + i) * 2, grad_x.to(kind), known)
    tl.store(grad_points + (item * LP + i) * 2 + 1, grad_y.to(kind), known)
    tl.store(grad_scores + item * LP + i, score.to(kind), known)
    if NEEDS_REFERENCE:
        along_x, along_y = tl.where(inside, pixel_x * w, 0.0), tl.where(inside, pixel_y * h, 0.0)
        for level in range(LP // P):
            mine = inside & (i // P == level)
            to = grad_reference + (item * (LP // P) + level) * SIZE
            tl.store(to, tl.sum(tl.where(mine, along_x, 0.0), 0))
            tl.store(to + 1, tl.sum(tl.where(mine, along_y, 0.0), 0))
            if SIZE == 4:
                tl.store(to + 2, tl.sum(tl.where(mine, along_x * raw_x, 0.0), 0) * (0.5 / P))
                tl.store(to + 3, tl.sum(tl.where(mine, along_y * raw_y, 0.0), 0) * (0.5 / P))


@triton.jit
def _sum_tokens(grad_out, order, begins, factors, grad_value, S, H, D, LP, M: tl.constexpr):
    """One row of the value gradient: the notes about its token, in a fixed order."""
    unit = tl.program_id(0).to(tl.int64)  # (image, head, token)
    d = tl.arange(0, M)
    total = tl.zeros((M,), tl.float32)
    for note in range(tl.load(begins + unit), tl.load(begins + unit + 1)):
        source = tl.load(order + note)
        row = tl.load(grad_out + source // (4 * LP) * D + d, d < D, 0.0).to(tl.float32)
        total += tl.load(factors + source) * row
    token = unit // (S * H) * S + unit % S
    tl.store(grad_value + (token * H + unit // S % H) * D + d, total, d < D)


def _levels(shapes: Sequence[int], device: torch.device) -> Tensor:
    """(L, 3) int32: height, width, first token."""
    rows, start = [], 0
    for h, w in zip(shapes[::2], shapes[1::2], strict=True):
        rows.append((h, w, start))
        start += h * w
    return torch.tensor(rows, dtype=torch.int32).to(device, non_blocking=True)


def _sizes(value: Tensor, points: Tensor) -> tuple[tuple[int, ...], dict[str, int]]:
    (_, S, H, D), (Q, P) = value.shape, (points.shape[1], points.shape[4])
    LP = points.shape[3] * P
    blocks = {"N": triton.next_power_of_2(LP), "M": triton.next_power_of_2(D), "num_warps": 1}
    return (S, Q, H, D, P, LP), blocks


def forward(
    value: Tensor, shapes: Sequence[int], points: Tensor, scores: Tensor, reference: Tensor | None
) -> Tensor:
    """Attend on GPU; arguments and result as `cpp.forward`, dtypes float32, bfloat16, float16."""
    value, points, scores = value.contiguous(), points.contiguous(), scores.contiguous()
    numbers, blocks = _sizes(value, points)
    B, Q, H = points.shape[:3]
    out = value.new_empty((B, Q, H * value.shape[3]))
    size = 0 if reference is None else reference.shape[-1]
    anchors = scores if reference is None else reference.contiguous()
    if out.numel():
        levels = _levels(shapes, value.device)
        _forward[(B * Q * H,)](
            value, levels, points, scores, anchors, out, *numbers, size, **blocks
        )
    return out


def backward(
    grad_out: Tensor,
    value: Tensor,
    shapes: Sequence[int],
    points: Tensor,
    scores: Tensor,
    reference: Tensor | None,
    needs_reference: bool,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Gradients of value, points, scores and, if it is needed, reference (else an empty tensor)."""
    value, points, scores = value.contiguous(), points.contiguous(), scores.contiguous()
    grad_out = grad_out.contiguous()
    numbers, blocks = _sizes(value, points)
    (B, Q, H), L, LP = points.shape[:3], points.shape[3], numbers[-1]
    size = 0 if reference is None else reference.shape[-1]
    needs_reference = needs_reference and reference is not None
    anchors = scores if reference is None else reference.contiguous()
    grad_value = torch.zeros_like(value, dtype=torch.float32)
    grad_points, grad_scores = torch.empty_like(points), torch.empty_like(scores)
    by_head = grad_value.new_empty((B, Q, H, L, size) if needs_reference else (0,))
    atomic = not torch.are_deterministic_algorithms_enabled()
    notes = 0 if atomic else B * Q * H * 4 * LP
    tokens = torch.empty(notes, dtype=torch.int64, device=value.device)
    factors = grad_value.new_empty(notes)
    if grad_points.numel():
        _backward[(B * Q * H,)](
            grad_out, value, _levels(shapes, value.device), points, scores, anchors, grad_value,
            tokens, factors, grad_points, grad_scores, by_head, *numbers, size,
            ATOMIC=atomic, NEEDS_REFERENCE=needs_reference, **blocks,
        )  # fmt: skip
        if not atomic:
            _sum_notes(grad_out, tokens, factors, grad_value, LP)
    grad_reference = by_head.sum(2) if needs_reference else by_head
    return grad_value.to(value.dtype), grad_points, grad_scores, grad_reference


def _sum_notes(
    grad_out: Tensor, tokens: Tensor, factors: Tensor, grad_value: Tensor, points: int
) -> None:
    """Value gradient without atomics: sort the notes by token, then add up those of each token."""
    B, S, H, D = grad_value.shape
    ordered, order = tokens.sort(stable=True)
    units = torch.arange(B * H * S + 1, device=tokens.device)
    begins = torch.searchsorted(ordered, units)
    _sum_tokens[(B * H * S,)](
        grad_out, order, begins, factors, grad_value, S, H, D, points,
        M=triton.next_power_of_2(D), num_warps=1,
    )  # fmt: skip
