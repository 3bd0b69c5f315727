"""The GPU kernels in Triton: one program a query and head, all its points at once.

`triton_calls` launches them. Sums are made in float32, element offsets in int64. The letters in
capitals are the operator's: S tokens, Q queries, H heads, D channels of a head, L levels, P points;
N and M are L * P and D rounded up to powers of two; SIZE is 0 for locations, else the length of a
reference (2 or 4). `item` counts (image, query, head), `i` points, `d` channels.
"""

import triton
import triton.language as tl


@triton.jit
def _level(levels, i, COLUMN: tl.constexpr, L: tl.constexpr, P: tl.constexpr):
    """Width (column 0), height (1) or first token (2) of the level of each point."""
    return tl.load(levels + 3 * (i // P) + COLUMN, i < L * P, 0)


@triton.jit
def _scale(reference, item, i, side, AXIS: tl.constexpr, SIZE: tl.constexpr,
           H: tl.constexpr, L: tl.constexpr, P: tl.constexpr):  # fmt: skip
    """Pixels by which a point moves when its coordinate along the axis grows by one."""
    if SIZE == 0:
        return side.to(tl.float32)
    elif SIZE == 2:
        return tl.full(i.shape, 1.0, tl.float32)
    else:
        length = reference + (item // H * L + i // P) * SIZE + 2 + AXIS
        return tl.load(length, i < L * P, 0.0) * side.to(tl.float32) * (0.5 / P)


@triton.jit
def _pixel(points, reference, item, i, side, AXIS: tl.constexpr, SIZE: tl.constexpr,
           H: tl.constexpr, L: tl.constexpr, P: tl.constexpr):  # fmt: skip
    """Coordinates of the points in pixels of their level; -2 if all neighbours are outside."""
    given = _coordinate(points, item, i, AXIS, L, P)
    base = tl.full(i.shape, -0.5, tl.float32)
    if SIZE > 0:
        anchor = reference + (item // H * L + i // P) * SIZE + AXIS
        base = tl.load(anchor, i < L * P, 0.0) * side.to(tl.float32) - 0.5
    pixel = base + _scale(reference, item, i, side, AXIS, SIZE, H, L, P) * given
    inside = (i < L * P) & (pixel > -1) & (pixel < side.to(tl.float32))  # False for NaN
    return tl.where(inside, pixel, -2.0)


@triton.jit
def _coordinate(points, item, i, AXIS: tl.constexpr, L: tl.constexpr, P: tl.constexpr):
    """The coordinates that were given: locations or offsets."""
    return tl.load(points + (item * (L * P) + i) * 2 + AXIS, i < L * P, 0.0).to(tl.float32)


@triton.jit
def _weight(scores, item, i, SIZE: tl.constexpr, L: tl.constexpr, P: tl.constexpr):
    """Attention weights of the points: as given, or softmax of the logits."""
    place = scores + item * (L * P) + i
    if SIZE == 0:
        return tl.load(place, i < L * P, 0.0).to(tl.float32)
    else:
        logit = tl.load(place, i < L * P, float("-inf")).to(tl.float32)
        share = tl.exp(logit - tl.max(logit, 0))
        return share / tl.sum(share, 0)


@triton.jit
def _samples(levels, points, scores, reference, item, i, SIZE: tl.constexpr,
             H: tl.constexpr, L: tl.constexpr, P: tl.constexpr):  # fmt: skip
    """Coordinates in pixels and attention weights of the points."""
    width, height = _level(levels, i, 0, L, P), _level(levels, i, 1, L, P)
    x = _pixel(points, reference, item, i, width, 0, SIZE, H, L, P)
    y = _pixel(points, reference, item, i, height, 1, SIZE, H, L, P)
    return x, y, _weight(scores, item, i, SIZE, L, P)


@triton.jit
def _neighbour(pixel, side, FAR: tl.constexpr):
    """Index of the pixel before or after a coordinate, and whether it exists."""
    index = tl.floor(pixel).to(tl.int32) + FAR
    return index, (index >= 0) & (index < side)


@triton.jit
def _corner(levels, i, x, y, CORNER: tl.constexpr, L: tl.constexpr, P: tl.constexpr):
    """Token of one of the four pixels around each point, and whether it exists."""
    width, height = _level(levels, i, 0, L, P), _level(levels, i, 1, L, P)
    column, in_row = _neighbour(x, width, CORNER % 2)
    row, in_column = _neighbour(y, height, CORNER // 2)
    exists = in_row & in_column
    token = _level(levels, i, 2, L, P) + row * width + column
    return tl.where(exists, token, 0).to(tl.int64), exists


@triton.jit
def _share(pixel, FAR: tl.constexpr):
    """Bilinear factor of the pixel before or after a coordinate."""
    fraction = pixel - tl.floor(pixel)
    if FAR:
        return fraction
    else:
        return 1 - fraction


@triton.jit
def _factor(weight, x, y, CORNER: tl.constexpr):
    """Part that one of the four pixels around each point has in the result."""
    return weight * _share(y, CORNER // 2) * _share(x, CORNER % 2)


@triton.jit
def _rows(image, token, exists, d, H: tl.constexpr, D: tl.constexpr):
    """Rows (N, M) of one head's value, zero where the token does not exist."""
    offset = token[:, None] * (H * D) + d[None, :]
    return tl.load(image + offset, exists[:, None] & (d < D)[None, :], 0.0).to(tl.float32)


@triton.jit
def attend(
    levels, points, scores, reference, value, out, S, Q,
    SIZE: tl.constexpr, H: tl.constexpr, D: tl.constexpr, L: tl.constexpr, P: tl.constexpr,
    N: tl.constexpr, M: tl.constexpr,
):  # fmt: skip
    """Forward: one row of the result."""
    item = tl.program_id(0).to(tl.int64)
    i, d = tl.arange(0, N), tl.arange(0, M)
    x, y, weight = _samples(levels, points, scores, reference, item, i, SIZE, H, L, P)
    image = value + (item // (H * Q) * S * H + item % H) * D
    total = tl.zeros((N, M), tl.float32)
    for corner in tl.static_range(4):
        token, exists = _corner(levels, i, x, y, corner, L, P)
        factor = _factor(weight, x, y, corner)
        total += _rows(image, token, exists, d, H, D) * factor[:, None]
    tl.store(out + item * D + d, tl.sum(total, 0).to(out.dtype.element_ty), d < D)


@triton.jit
def differentiate_points(
    levels, points, scores, reference, value, grad_out, grad_points, grad_scores, grad_reference,
    S, Q, SIZE: tl.constexpr, H: tl.constexpr, D: tl.constexpr, L: tl.constexpr, P: tl.constexpr,
    N: tl.constexpr, M: tl.constexpr,
):  # fmt: skip
    """Gradients of the points, scores and, unless it is None, the reference of one head."""
    item = tl.program_id(0).to(tl.int64)
    i, d = tl.arange(0, N), tl.arange(0, M)
    width, height = _level(levels, i, 0, L, P), _level(levels, i, 1, L, P)
    x, y, weight = _samples(levels, points, scores, reference, item, i, SIZE, H, L, P)
    image = value + (item // (H * Q) * S * H + item % H) * D
    gradient = tl.load(grad_out + item * D + d, d < D, 0.0).to(tl.float32)
    sample, along_x = tl.zeros((N,), tl.float32), tl.zeros((N,), tl.float32)
    along_y = tl.zeros((N,), tl.float32)
    for corner in tl.static_range(4):
        token, exists = _corner(levels, i, x, y, corner, L, P)
        product = tl.sum(_rows(image, token, exists, d, H, D) * gradient[None, :], 1)
        share_x, share_y = _share(x, corner % 2), _share(y, corner // 2)
        sample += share_y * share_x * product
        along_x += share_y * product * (corner % 2 * 2 - 1)
        along_y += share_x * product * (corner // 2 * 2 - 1)
    inside = (x > -1) & (y > -1)
    along_x = tl.where(inside, weight * along_x, 0.0)
    along_y = tl.where(inside, weight * along_y, 0.0)
    if SIZE > 0:
        sample = weight * (sample - tl.sum(weight * sample, 0))
    kind = grad_points.dtype.element_ty
    place = grad_points + (item * (L * P) + i) * 2
    scale_x = _scale(reference, item, i, width, 0, SIZE, H, L, P)
    scale_y = _scale(reference, item, i, height, 1, SIZE, H, L, P)
    tl.store(place, tl.where(inside, along_x * scale_x, 0.0).to(kind), i < L * P)
    tl.store(place + 1, tl.where(inside, along_y * scale_y, 0.0).to(kind), i < L * P)
    tl.store(grad_scores + item * (L * P) + i, sample.to(kind), i < L * P)
    if grad_reference is not None:
        along_x, along_y = along_x * width.to(tl.float32), along_y * height.to(tl.float32)
        if SIZE == 4:
            given_x = _coordinate(points, item, i, 0, L, P) * (0.5 / P)
            given_y = _coordinate(points, item, i, 1, L, P) * (0.5 / P)
            stretch_x = tl.where(inside, along_x * given_x, 0.0)
            stretch_y = tl.where(inside, along_y * given_y, 0.0)
        for level in tl.static_range(L):
            mine = i // P == level
            to = grad_reference + (item * L + level) * SIZE
            tl.store(to, tl.sum(tl.where(mine, along_x, 0.0), 0))
            tl.store(to + 1, tl.sum(tl.where(mine, along_y, 0.0), 0))
            if SIZE == 4:
                tl.store(to + 2, tl.sum(tl.where(mine, stretch_x, 0.0), 0))
                tl.store(to + 3, tl.sum(tl.where(mine, stretch_y, 0.0), 0))


@triton.jit
def scatter_value(
    levels, points, scores, reference, grad_out, grad_value, S, Q,
    SIZE: tl.constexpr, H: tl.constexpr, D: tl.constexpr, L: tl.constexpr, P: tl.constexpr,
    N: tl.constexpr, M: tl.constexpr,
):  # fmt: skip
    """Gradient of the value by atomic additions, whose order varies from run to run."""
    item = tl.program_id(0).to(tl.int64)
    i, d = tl.arange(0, N), tl.arange(0, M)
    x, y, weight = _samples(levels, points, scores, reference, item, i, SIZE, H, L, P)
    gradient = tl.load(grad_out + item * D + d, d < D, 0.0).to(tl.float32)
    image = grad_value + (item // (H * Q) * S * H + item % H) * D
    for corner in tl.static_range(4):
        token, exists = _corner(levels, i, x, y, corner, L, P)
        factor = _factor(weight, x, y, corner)
        offset = token[:, None] * (H * D) + d[None, :]
        mask = exists[:, None] & (d < D)[None, :]
        tl.atomic_add(image + offset, factor[:, None] * gradient[None, :], mask)


@triton.jit
def note_value(
    levels, points, scores, reference, tokens, factors, S, Q,
    SIZE: tl.constexpr, H: tl.constexpr, D: tl.constexpr, L: tl.constexpr, P: tl.constexpr,
    N: tl.constexpr, M: tl.constexpr,
):  # fmt: skip
    """Notes (item, corner, point) of what `scatter_value` would add where: token and factor."""
    item = tl.program_id(0).to(tl.int64)
    i = tl.arange(0, N)
    x, y, weight = _samples(levels, points, scores, reference, item, i, SIZE, H, L, P)
    first = (item // (H * Q) * H + item % H) * S
    for corner in tl.static_range(4):
        token, exists = _corner(levels, i, x, y, corner, L, P)
        factor = _factor(weight, x, y, corner)
        place = (item * 4 + corner) * (L * P) + i
        tl.store(tokens + place, first + token, i < L * P)
        tl.store(factors + place, tl.where(exists, factor, 0.0), i < L * P)


@triton.jit
def sum_notes(
    grad_out, order, begins, factors, grad_value, S,
    H: tl.constexpr, D: tl.constexpr, L: tl.constexpr, P: tl.constexpr, M: tl.constexpr,
):  # fmt: skip
    """One row of the value gradient: the notes about its token, in a fixed order."""
    unit = tl.program_id(0).to(tl.int64)  # (image, head, token)
    d = tl.arange(0, M)
    total = tl.zeros((M,), tl.float32)
    for note in range(tl.load(begins + unit), tl.load(begins + unit + 1)):
        source = tl.load(order + note)
        row = tl.load(grad_out + source // (4 * L * P) * D + d, d < D, 0.0).to(tl.float32)
        total += tl.load(factors + source) * row
    token = unit // (S * H) * S + unit % S
    tl.store(grad_value + (token * H + unit // S % H) * D + d, total, d < D)
