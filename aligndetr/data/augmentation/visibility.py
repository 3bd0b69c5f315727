"""What is left of a box when a part of it is cut off or hidden."""

from __future__ import annotations

import numpy as np
from fvcore.transforms.transform import CropTransform, TransformList

from aligndetr.data.augmentation.resize import ResizeTransform

SMALLEST_EDGE = 1.0  # pixels; what is thinner cannot be seen


def cut_boxes(boxes: np.ndarray, width: int, height: int, min_visibility: float) -> np.ndarray:
    """Cut boxes to an image; those of which too little is left become empty.

    Args:
        boxes: (N, 4), XYXY in pixels.
        width, height: of the image.
        min_visibility: the part of its area that must be left of a box.

    Returns:
        (N, 4); empty boxes are all zeros, as are those with an edge below a pixel.
    """
    cut = boxes.clip(0, [width, height, width, height])
    edges = cut[:, 2:] - cut[:, :2]
    enough = edges.prod(axis=1) >= min_visibility * (boxes[:, 2:] - boxes[:, :2]).prod(axis=1)
    return np.where((enough & (edges >= SMALLEST_EDGE).all(axis=1))[:, None], cut, 0.0)


class VisibleCrop(CropTransform):
    """A crop that cuts boxes too; a box of which too little is left becomes empty.

    Args:
        min_visibility: the part of its area that must be left of a box.
        others: those of `CropTransform`.
    """

    w: int
    h: int

    def __init__(self, *others: int, min_visibility: float) -> None:
        super().__init__(*others)
        self.min_visibility = min_visibility

    def apply_box(self, box: np.ndarray) -> np.ndarray:
        """Move and cut (N, 4) XYXY boxes."""
        return cut_boxes(super().apply_box(box), self.w, self.h, self.min_visibility)


def scale_and_cut(
    size: tuple[int, int],
    longer_edge: float,
    room: tuple[int, int],
    rng: np.random.Generator,
    min_visibility: float,
) -> TransformList:
    """Scale an image, and keep a random part of it where it is larger than its place.

    Args:
        size: (height, width) of the image.
        longer_edge: its length after scaling, in pixels.
        room: (height, width) that the result has at most.
        rng: source of the random draws.
        min_visibility: the part of its area that must be left of a box.
    """
    height, width = (max(1, round(edge * longer_edge / max(size))) for edge in size)
    rows, columns = min(height, room[0]), min(width, room[1])
    top = int(rng.integers(height - rows, endpoint=True))
    left = int(rng.integers(width - columns, endpoint=True))
    resize = ResizeTransform(*size, height, width)
    place = (left, top, columns, rows, width, height)
    return TransformList([resize, VisibleCrop(*place, min_visibility=min_visibility)])


def visible_part(box: np.ndarray, covers: np.ndarray) -> tuple[np.ndarray, float]:
    """What shows of a box below rectangles.

    Args:
        box: (4,) XYXY, not empty.
        covers: (M, 4) XYXY; they may overlap.

    Returns:
        The smallest box around all that shows (zeros if nothing does), and its part of the area.
    """
    xs = np.unique(np.append(covers[:, 0::2], box[0::2]).clip(box[0], box[2]))
    ys = np.unique(np.append(covers[:, 1::2], box[1::2]).clip(box[1], box[3]))
    # The edges cut the box into cells, each of which is wholly hidden or wholly visible.
    columns, rows = (xs[:-1] + xs[1:])[:, None] / 2, (ys[:-1] + ys[1:])[:, None] / 2
    across = (columns > covers[:, 0]) & (columns < covers[:, 2])  # (X, M)
    down = (rows > covers[:, 1]) & (rows < covers[:, 3])  # (Y, M)
    visible = ~(down[:, None] & across[None]).any(axis=2)
    if not visible.any():
        return np.zeros(4), 0.0
    areas = np.outer(np.diff(ys), np.diff(xs))
    x, y = np.flatnonzero(visible.any(axis=0)), np.flatnonzero(visible.any(axis=1))
    around = np.array([xs[x[0]], ys[y[0]], xs[x[-1] + 1], ys[y[-1] + 1]])
    return around, float(areas[visible].sum() / areas.sum())
