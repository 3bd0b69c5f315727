"""Images at very different scales, in a canvas of one size."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

import numpy as np
from fvcore.transforms.transform import PadTransform, Transform, TransformList

from aligndetr.data.augmentation.augmentation import Augmentation, draw_between
from aligndetr.data.augmentation.visibility import VisibleCrop, scale_and_cut


@dataclass
class LargeScaleJitter(Augmentation):
    """Scale by a random factor, then cut or fill up to a square (Ghiasi et al., 2021, section 3).

    At scale 1 the longer edge is that of the square. Where the image is larger, a random part of
    it is kept; where it is smaller, it is put at a random place (in the paper: top left).

    Args:
        size: edge of the square in pixels.
        scale: smallest and largest factor; the paper's are (0.1, 2).
        min_visibility: the part of its area that must be left of an object.
        fill: value of the canvas in all channels, 0 to 255.
    """

    size: int
    scale: Sequence[float] = (0.1, 2.0)
    min_visibility: float = 0.1
    fill: int = 114

    def __post_init__(self) -> None:
        if not 0 < self.scale[0] <= self.scale[1]:
            raise ValueError(f"scale is (smallest, largest) above 0, got {tuple(self.scale)}")

    def get_transform(self, image: np.ndarray, rng: np.random.Generator) -> Transform:
        """Resize, crop and pad."""
        longer_edge = draw_between(self.scale, rng) * self.size
        cut = scale_and_cut(
            image.shape[:2], longer_edge, (self.size, self.size), rng, self.min_visibility
        )
        crop = cast(VisibleCrop, cut[-1])
        rows, columns = crop.h, crop.w
        above = int(rng.integers(self.size - rows, endpoint=True))
        before = int(rng.integers(self.size - columns, endpoint=True))
        below, after = self.size - rows - above, self.size - columns - before
        pad = PadTransform(before, above, after, below, columns, rows, self.fill)
        return TransformList([*cut.transforms, pad])
