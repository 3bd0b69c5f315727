"""Images made of several: four in a square, two blended, objects of one pasted into another."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from aligndetr.data.augmentation.augmentation import (
    AnyAugmentation,
    LabelledImage,
    MixAugmentation,
    augment,
    draw_between,
    draw_integer,
)
from aligndetr.data.augmentation.visibility import (
    SMALLEST_EDGE,
    VisibleCrop,
    scale_and_cut,
    visible_part,
)

Draw = Callable[[], LabelledImage]


@dataclass
class Mosaic(MixAugmentation):
    """Put four images around a random point of a square (YOLOv4, Bochkovskiy et al., 2020).

    Each is scaled by a random factor. One that is larger than its quarter shows a random part; a
    smaller one touches the point.

    Args:
        size: edge of the square in pixels.
        scale: smallest and largest length of an image's longer edge, in edges of the square.
        center: smallest and largest coordinate of the point, in edges of the square.
        min_visibility: the part of its area that must be left of an object.
        prob: how often.
        fill: value of what no image covers, 0 to 255.
    """

    size: int
    scale: Sequence[float] = (0.4, 1.0)
    center: Sequence[float] = (0.25, 0.75)
    min_visibility: float = 0.2
    prob: float = 1.0
    fill: int = 114

    def __post_init__(self) -> None:
        if not 0 < self.scale[0] <= self.scale[1]:
            raise ValueError(f"scale is (smallest, largest) above 0, got {tuple(self.scale)}")
        if not 1 <= self.center[0] * self.size <= self.center[1] * self.size <= self.size - 1:
            raise ValueError(f"center={tuple(self.center)} leaves a quarter of the mosaic empty")

    def mix(self, example: LabelledImage, rng: np.random.Generator, draw: Draw) -> LabelledImage:
        """A mosaic, or the image as it is."""
        if rng.random() >= self.prob:
            return example
        x, y = (int(draw_between(self.center, rng) * self.size) for _ in range(2))
        canvas = np.full((self.size, self.size, 3), self.fill, np.uint8)
        parts = []
        for number, quarter in enumerate(rng.permutation(4).tolist()):
            on_right, below = quarter % 2, quarter // 2
            width, height = (self.size - x if on_right else x), (self.size - y if below else y)
            image = draw() if number else example
            longer_edge = draw_between(self.scale, rng) * self.size
            size, room = image.pixels.shape[:2], (height, width)
            cut = scale_and_cut(size, longer_edge, room, rng, self.min_visibility)
            tile = image.transformed(cut)
            rows, columns = tile.pixels.shape[:2]
            left, top = (x if on_right else x - columns), (y if below else y - rows)
            parts.append(_pasted(tile, canvas, left, top))
        return _joined(canvas, parts)


@dataclass
class Mixup(MixAugmentation):
    """Blend two images; the objects of both count (Zhang et al., 2018; for boxes: 2019).

    Neither is resized: they share the top left corner of a canvas that holds both, and are
    blended where both are. Objects have no weights, so weights of images near 1/2 are the ones
    that make sense; DEIM draws them as here.

    Args:
        weight: smallest and largest weight of the image; the other one has the rest.
        augmentation: steps for the other image, such as a `Mosaic`.
        prob: how often.
        fill: value of what neither image covers, 0 to 255.
    """

    weight: Sequence[float] = (0.45, 0.55)
    augmentation: Sequence[AnyAugmentation] = ()
    prob: float = 0.5
    fill: int = 114

    def __post_init__(self) -> None:
        if not 0 <= self.weight[0] <= self.weight[1] <= 1:
            raise ValueError(f"weight is (smallest, largest) from 0 to 1, got {self.weight}")

    def mix(self, example: LabelledImage, rng: np.random.Generator, draw: Draw) -> LabelledImage:
        """A blend, or the image as it is."""
        if rng.random() >= self.prob:
            return example
        other = augment(self.augmentation, draw(), rng, draw)
        weight = draw_between(self.weight, rng)
        first, second = example.pixels, other.pixels
        size = np.maximum(first.shape, second.shape)
        canvas = np.full(size, self.fill, np.uint8)
        for pixels in (first, second):
            canvas[: pixels.shape[0], : pixels.shape[1]] = pixels
        rows, columns = np.minimum(first.shape, second.shape)[:2]
        blend = weight * first[:rows, :columns] + (1 - weight) * second[:rows, :columns]
        canvas[:rows, :columns] = np.rint(blend)
        return _joined(canvas, [example, other])


@dataclass
class CopyPaste(MixAugmentation):
    """Paste objects of another image, as rectangles (after Ghiasi et al., 2021, who have masks).

    A rectangle takes along whatever else is in it. Boxes that it hides are made smaller where
    that shows, or left out.

    Args:
        count: smallest and largest number of objects.
        augmentation: steps for the other image, such as a `RandomFlip` or another size.
        min_visibility: the part of its area that must be left of an object.
        prob: how often.
    """

    count: Sequence[int] = (1, 5)
    augmentation: Sequence[AnyAugmentation] = ()
    min_visibility: float = 0.3
    prob: float = 0.5

    def __post_init__(self) -> None:
        if not 0 < self.count[0] <= self.count[1]:
            raise ValueError(f"count is (smallest, largest) above 0, got {tuple(self.count)}")

    def mix(self, example: LabelledImage, rng: np.random.Generator, draw: Draw) -> LabelledImage:
        """The image with more objects, or as it is."""
        if rng.random() >= self.prob:
            return example
        other = augment(self.augmentation, draw(), rng, draw)
        wanted = draw_integer(self.count, rng)
        canvas = example.pixels.copy()
        height, width = canvas.shape[:2]
        cut = VisibleCrop(0, 0, width, height, width, height, min_visibility=0.0)
        parts, patches = [example.transformed(cut)], []
        for box in other.boxes[rng.permutation(len(other.boxes))[:wanted]]:
            patch = self._patch(other, box)
            rows, columns = np.subtract(canvas.shape, patch.pixels.shape)[:2]
            if min(rows, columns) < 0 or not patch.pixels.size:
                continue
            left, top = (int(rng.integers(edge, endpoint=True)) for edge in (columns, rows))
            parts.append(_pasted(patch, canvas, left, top))
            patches.append([left, top, left + width - columns, top + height - rows])
        return self._uncovered(canvas, parts, np.array(patches, dtype=float).reshape(-1, 4))

    def _patch(self, image: LabelledImage, box: np.ndarray) -> LabelledImage:
        """The rectangle of whole pixels around a box, with all that is in it."""
        height, width = image.pixels.shape[:2]
        low = np.floor(box[:2]).clip(0, [width, height]).astype(int)
        size = np.ceil(box[2:]).clip(low, [width, height]).astype(int) - low
        return image.transformed(
            VisibleCrop(*low.tolist(), *size.tolist(), min_visibility=self.min_visibility)
        )

    def _uncovered(
        self, canvas: np.ndarray, parts: list[LabelledImage], patches: np.ndarray
    ) -> LabelledImage:
        """What shows of all parts, the later ones lying on the earlier ones."""
        boxes, classes = [], []
        for number, part in enumerate(parts):
            for box, kind in zip(part.boxes, part.classes, strict=True):
                left, visible = visible_part(box, patches[number:])
                if visible >= self.min_visibility and min(left[2:] - left[:2]) >= SMALLEST_EDGE:
                    boxes.append(left)
                    classes.append(kind)
        return LabelledImage(
            canvas, np.array(boxes, float).reshape(-1, 4), np.array(classes, np.int64)
        )


def _pasted(tile: LabelledImage, canvas: np.ndarray, left: int, top: int) -> LabelledImage:
    """Write the pixels into the canvas; the tile with its boxes moved there."""
    rows, columns = tile.pixels.shape[:2]
    canvas[top : top + rows, left : left + columns] = tile.pixels
    boxes = tile.boxes + np.array([left, top, left, top])
    return LabelledImage(tile.pixels, boxes, tile.classes)


def _joined(canvas: np.ndarray, parts: Sequence[LabelledImage]) -> LabelledImage:
    boxes = np.concatenate([part.boxes for part in parts])
    return LabelledImage(canvas, boxes, np.concatenate([part.classes for part in parts]))
