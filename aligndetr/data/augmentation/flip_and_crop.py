"""Mirrored images and random cut-outs."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from fvcore.transforms.transform import (
    CropTransform,
    HFlipTransform,
    NoOpTransform,
    Transform,
    VFlipTransform,
)

from aligndetr.data.augmentation.augmentation import Augmentation, draw_integer
from aligndetr.data.augmentation.image_size import scaled


class RandomFlip(Augmentation):
    """Mirror the image, left to right by default.

    Args:
        prob: how often.
        horizontal, vertical: the direction; exactly one of them.
    """

    def __init__(self, prob: float = 0.5, horizontal: bool = True, vertical: bool = False) -> None:
        if horizontal == vertical:
            raise ValueError("flip either horizontally or vertically; use two RandomFlip for both")
        self.prob = prob
        self.horizontal = horizontal

    def get_transform(self, image: np.ndarray, rng: np.random.Generator) -> Transform:
        """A flip, or nothing."""
        if rng.random() >= self.prob:
            return NoOpTransform()
        height, width = image.shape[:2]
        return HFlipTransform(width) if self.horizontal else VFlipTransform(height)


_CROP_TYPES = ("absolute", "absolute_range", "relative", "relative_range")


class RandomCrop(Augmentation):
    """Cut out a rectangle at a random place.

    Args:
        crop_type: how `crop_size` is meant: "absolute" (height, width) in pixels;
            "absolute_range" (smallest, largest) in pixels, height and width drawn separately;
            "relative" (height, width) as parts of the image; "relative_range" the smallest such
            parts, 1 being the largest. Never larger than the image.
        crop_size: two numbers.
        scale: multiplies them if they are pixels, see `scale_to`.
    """

    def __init__(self, crop_type: str, crop_size: Sequence[float], scale: float = 1.0) -> None:
        if crop_type not in _CROP_TYPES:
            raise ValueError(f"crop_type must be one of {_CROP_TYPES}, got {crop_type!r}")
        self.crop_type = crop_type
        is_pixels = crop_type.startswith("absolute")
        self.crop_size = tuple(scaled(n, scale) if is_pixels else n for n in crop_size)

    def get_transform(self, image: np.ndarray, rng: np.random.Generator) -> Transform:
        """A crop; every position is equally likely."""
        height, width = image.shape[:2]
        crop_height, crop_width = self._draw_size((height, width), rng)
        top = int(rng.integers(height - crop_height, endpoint=True))
        left = int(rng.integers(width - crop_width, endpoint=True))
        return CropTransform(left, top, crop_width, crop_height, width, height)

    def _draw_size(self, size: Sequence[int], rng: np.random.Generator) -> tuple[int, int]:
        """(height, width) of a crop of an image of this size."""
        pairs = list(zip(size, self.crop_size, strict=True))
        if self.crop_type == "absolute":
            height, width = (min(edge, int(wanted)) for edge, wanted in pairs)
        elif self.crop_type == "absolute_range":
            limits = [[min(edge, int(limit)) for limit in self.crop_size] for edge in size]
            height, width = (draw_integer(ends, rng) for ends in limits)
        else:
            if self.crop_type == "relative_range":
                pairs = [(edge, rng.uniform(part, 1.0)) for edge, part in pairs]
            height, width = (max(1, int(edge * part + 0.5)) for edge, part in pairs)
        return height, width
