"""Augmentations that make objects smaller or larger: a canvas around the image, or a cut-out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from fvcore.transforms.transform import CropTransform, NoOpTransform, PadTransform, Transform

from aligndetr.data.augmentation.augmentation import Augmentation, BoxAugmentation, draw_between


@dataclass
class RandomZoomOut(Augmentation):
    """Put the image at a random place of a larger canvas of one colour (SSD, section 3.6).

    Args:
        side_range: smallest and largest side of the canvas, in sides of the image.
        prob: how often.
        fill: value of the canvas in all channels, 0 to 255.
    """

    side_range: Sequence[float] = (1.0, 4.0)
    prob: float = 0.5
    fill: int = 0

    def __post_init__(self) -> None:
        if self.side_range[0] < 1:
            raise ValueError(
                f"a canvas is at least as large as the image: side_range={self.side_range}"
            )

    def get_transform(self, image: np.ndarray, rng: np.random.Generator) -> Transform:
        """A canvas, or nothing."""
        if rng.random() >= self.prob:
            return NoOpTransform()
        height, width = image.shape[:2]
        factor = draw_between(self.side_range, rng)
        rows, columns = int(height * factor) - height, int(width * factor) - width
        top = int(rng.integers(rows, endpoint=True))
        left = int(rng.integers(columns, endpoint=True))
        return PadTransform(left, top, columns - left, rows - top, width, height, self.fill)


@dataclass
class RandomIoUCrop(BoxAugmentation):
    """Cut out a part that overlaps some object by a random minimum (SSD, section 2.2).

    One of the minimal IoUs is drawn, or the whole image stays, each as likely as the others; then
    crops are drawn until one has the centre of an object in it, and of those objects one with at
    least this IoU. Objects whose centre is not in the crop are no longer there.

    Args:
        min_ious: of crop and object.
        scale: smallest and largest edge of a crop, as a part of the image's.
        aspect_ratio: smallest and largest width / height of a crop.
        trials: crops that are drawn before another minimal IoU is.
        prob: how often; an image without objects stays as it is.
    """

    min_ious: Sequence[float] = (0.0, 0.1, 0.3, 0.5, 0.7, 0.9)
    scale: Sequence[float] = (0.3, 1.0)
    aspect_ratio: Sequence[float] = (0.5, 2.0)
    trials: int = 40
    prob: float = 0.8

    def get_transform(
        self, image: np.ndarray, rng: np.random.Generator, boxes: np.ndarray
    ) -> Transform:
        """A crop, or nothing."""
        if rng.random() >= self.prob or not len(boxes):
            return NoOpTransform()
        height, width = image.shape[:2]
        while True:
            choice = int(rng.integers(len(self.min_ious), endpoint=True))
            if choice == len(self.min_ious):
                return NoOpTransform()
            for _ in range(self.trials):
                crop = self._draw(height, width, rng)
                if crop is not None and _has_object(crop, boxes, self.min_ious[choice]):
                    left, top, right, bottom = crop
                    return ObjectCrop(left, top, right - left, bottom - top, width, height)

    def _draw(self, height: int, width: int, rng: np.random.Generator) -> list[int] | None:
        """XYXY of a crop, or None where its shape is not a wanted one."""
        columns, rows = (int(edge * draw_between(self.scale, rng)) for edge in (width, height))
        lowest, highest = self.aspect_ratio
        if not rows or not columns or not lowest <= columns / rows <= highest:
            return None
        left = int(rng.integers(width - columns, endpoint=True))
        top = int(rng.integers(height - rows, endpoint=True))
        return [left, top, left + columns, top + rows]


class ObjectCrop(CropTransform):
    """A crop that cuts boxes too; a box whose centre is outside becomes empty."""

    x0: int
    y0: int
    w: int
    h: int

    def apply_box(self, box: np.ndarray) -> np.ndarray:
        """Move (N, 4) XYXY boxes, cut them to the crop, and empty those that left it."""
        inside = _centred_in([self.x0, self.y0, self.x0 + self.w, self.y0 + self.h], box)
        moved = super().apply_box(box).clip(0, [self.w, self.h, self.w, self.h])
        return np.where(inside[:, None], moved, 0.0)


def _centred_in(crop: Sequence[int], boxes: np.ndarray) -> np.ndarray:
    """Tell of each (N, 4) XYXY box whether its centre is in the crop."""
    centres = (boxes[:, :2] + boxes[:, 2:]) / 2
    return ((centres > crop[:2]) & (centres < crop[2:])).all(axis=1)


def _has_object(crop: Sequence[int], boxes: np.ndarray, min_iou: float) -> bool:
    boxes = boxes[_centred_in(crop, boxes)]
    if not len(boxes):
        return False
    low, high = np.maximum(boxes[:, :2], crop[:2]), np.minimum(boxes[:, 2:], crop[2:])
    shared = (high - low).clip(0).prod(axis=1)
    areas = (boxes[:, 2:] - boxes[:, :2]).prod(axis=1)
    area = (crop[2] - crop[0]) * (crop[3] - crop[1])
    return bool((shared / (areas + area - shared)).max() >= min_iou)
