"""Large images in tiles, so that small objects are seen at full size, and any image fits memory."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image

from ..errors import UserError
from .batch_size import check_batch_size
from .detections import Detections
from .merging import View, merge

SMALLEST = 32
MOST_OVERLAP = 0.9


@dataclass(frozen=True)
class Tiles:
    """Equal squares that cover an image, and share at least `overlap` of a side with the next one.

    Attributes:
        side: of a tile, in pixels of the image.
        overlap: from 0 to 0.9; objects up to `overlap * side` pixels are whole in some tile.

    Raises:
        UserError: there are no such tiles.
    """

    side: int
    overlap: float = 0.2

    def __post_init__(self) -> None:
        if self.side < SMALLEST:
            raise UserError(f"tiles of {self.side} pixels are too small; give {SMALLEST} or more")
        if not 0 <= self.overlap <= MOST_OVERLAP:
            raise UserError(
                f"an overlap of {self.overlap:g} leaves no room for tiles: it is the share of a "
                f"tile that neighbours have in common, from 0 to {MOST_OVERLAP}"
            )

    def boxes(self, size: tuple[int, int]) -> list[tuple[int, int, int, int]]:
        """xyxy of all tiles, row by row, of an image of `size` = (height, width)."""
        rows, columns = (self._spans(length) for length in size)
        return [(x0, y0, x1, y1) for (y0, y1), (x0, x1) in itertools.product(rows, columns)]

    def _spans(self, length: int) -> list[tuple[int, int]]:
        """Start and end of each tile along a side, evenly spread."""
        if length <= self.side:
            return [(0, length)]
        step = max(self.side - math.ceil(self.side * self.overlap), 1)
        count = 1 + math.ceil((length - self.side) / step)
        starts = np.linspace(0, length - self.side, count).astype(int).tolist()
        return [(start, start + self.side) for start in starts]


class TiledDetector:
    """A detector that looks at all of an image, reduced to the size of a tile, and at its tiles.

    What it finds in them is merged, see `merge`. Images that fit into one tile are left alone.

    Args:
        detect: a detector, see `prediction.pipeline.Detect`.
        tiles: how images are cut.
        batch_size: tiles at once.
        lowest: detections of a lower score are forgotten at once.

    Raises:
        UserError: the batch size is below 1.
    """

    def __init__(
        self,
        detect: Callable[[Sequence[np.ndarray]], Sequence[Detections]],
        tiles: Tiles,
        batch_size: int = 1,
        lowest: float = 0.0,
    ) -> None:
        check_batch_size(batch_size)
        self.detect = detect
        self.tiles = tiles
        self.batch_size = batch_size
        self.lowest = lowest

    def __call__(self, images: Sequence[np.ndarray]) -> list[Detections]:
        """Detections of images (H, W, 3) of any size, in their pixels."""
        if max(images[0].shape[:2]) <= self.tiles.side:
            return list(self.detect(images))
        return [self._in_tiles(image) for image in images]

    def _in_tiles(self, image: np.ndarray) -> Detections:
        views, found = self.parts(image)
        return merge(found, views, image.shape[:2])

    def parts(self, image: np.ndarray) -> tuple[list[View], list[Detections]]:
        """All views of an image, the whole of it first, and what was found in each."""
        size = image.shape[:2]
        views = [View((0, 0, size[1], size[0]), self.tiles.side / max(size))]
        found = [self.whole(image)]
        boxes = self.tiles.boxes(size)
        for start in range(0, len(boxes), self.batch_size):
            batch = boxes[start : start + self.batch_size]
            crops = [image[y0:y1, x0:x1] for x0, y0, x1, y1 in batch]
            for box, part in zip(batch, self.detect(crops), strict=True):
                views.append(View(box))
                found.append(self._moved(part, size, box[:2], 1.0))
        return views, found

    def whole(self, image: np.ndarray) -> Detections:
        """What is found in the image when it is made as small as a tile."""
        small, scale = _reduced(image, self.tiles.side)
        return self._moved(self.detect([small])[0], image.shape[:2], (0, 0), 1 / scale)

    def _moved(
        self, found: Detections, size: tuple[int, int], corner: tuple[int, int], scale: float
    ) -> Detections:
        """In pixels of the image, those that may count."""
        found = found[found.scores >= self.lowest]
        boxes = found.boxes * np.float32(scale) + np.tile(np.array(corner, np.float32), 2)
        return Detections.of(size, boxes, found.scores, found.classes)


def _reduced(image: np.ndarray, side: int) -> tuple[np.ndarray, float]:
    """The image with `side` pixels along its longer side, and by what it was multiplied."""
    scale = side / max(image.shape[:2])
    height, width = (max(round(length * scale), 1) for length in image.shape[:2])
    picture = Image.fromarray(np.ascontiguousarray(image))
    return np.asarray(picture.resize((width, height), Image.Resampling.BILINEAR)), scale
