"""Augmentations: random choices that become deterministic transforms of pixels and boxes.

An augmentation draws from the generator it is handed and nothing else, so that a sample's
augmentation is a function of (seed, epoch, index). A transform (`fvcore.transforms`) applies the
result to images and to boxes, XYXY in pixels. Shapes are (height, width) unless said otherwise.
"""

from __future__ import annotations

import sys
from abc import ABC, abstractmethod
from collections.abc import Sequence

import numpy as np
from fvcore.transforms.transform import (
    CropTransform,
    HFlipTransform,
    NoOpTransform,
    Transform,
    TransformList,
    VFlipTransform,
)
from PIL import Image


class Augmentation(ABC):
    """A policy that looks at an image and decides on a transform."""

    @abstractmethod
    def get_transform(self, image: np.ndarray, rng: np.random.Generator) -> Transform:
        """The transform for one image (H, W, 3) uint8, with every random draw from `rng`."""


class BoxAugmentation(ABC):
    """A policy that looks at an image and at where its objects are."""

    @abstractmethod
    def get_transform(
        self, image: np.ndarray, rng: np.random.Generator, boxes: np.ndarray
    ) -> Transform:
        """The transform for one image with objects at `boxes` (N, 4), XYXY in its pixels."""


def apply_augmentations(
    augmentations: Sequence[Augmentation | BoxAugmentation],
    image: np.ndarray,
    rng: np.random.Generator,
    boxes: np.ndarray | None = None,
) -> tuple[np.ndarray, TransformList]:
    """Augment an image step by step; each step sees the image that the one before made.

    Args:
        augmentations: the steps.
        image: (H, W, 3) uint8.
        rng: source of every random draw.
        boxes: (N, 4) objects, XYXY in pixels of the image; None: there are none.

    Returns:
        The new image and the transform that takes boxes along.
    """
    transforms = []
    boxes = np.empty((0, 4)) if boxes is None else boxes
    for augmentation in augmentations:
        if isinstance(augmentation, BoxAugmentation):
            transform = augmentation.get_transform(image, rng, boxes)
        else:
            transform = augmentation.get_transform(image, rng)
        image, boxes = transform.apply_image(image), transform.apply_box(boxes)
        transforms.append(transform)
    return image, TransformList(transforms)


class ResizeTransform(Transform):
    """Resize with Pillow, whose filter is anti-aliased: pixels equal the published mapper's.

    Args:
        height, width: the old size.
        new_height, new_width: the new size.
        interpolation: a Pillow resampling filter for images; masks take the nearest pixel.
    """

    def __init__(
        self,
        height: int,
        width: int,
        new_height: int,
        new_width: int,
        interpolation: int = Image.Resampling.BILINEAR,
    ) -> None:
        super().__init__()
        self.height, self.width = height, width
        self.new_height, self.new_width = new_height, new_width
        self.interpolation = interpolation

    def apply_image(self, image: np.ndarray) -> np.ndarray:
        """Resize (H, W, 3) or (H, W) uint8."""
        return self._resize(image, self.interpolation)

    def apply_segmentation(self, segmentation: np.ndarray) -> np.ndarray:
        """Resize a label image without mixing labels."""
        return self._resize(segmentation, Image.Resampling.NEAREST)

    def apply_coords(self, coords: np.ndarray) -> np.ndarray:
        """Scale (N, 2) points (x, y)."""
        return coords * [self.new_width / self.width, self.new_height / self.height]

    def inverse(self) -> Transform:
        """Back to the old size."""
        return ResizeTransform(
            self.new_height, self.new_width, self.height, self.width, self.interpolation
        )

    def _resize(self, image: np.ndarray, interpolation: int) -> np.ndarray:
        if image.shape[:2] != (self.height, self.width):
            raise ValueError(f"expected {self.height}x{self.width} pixels, got {image.shape}")
        resized = Image.fromarray(image).resize((self.new_width, self.new_height), interpolation)
        return np.array(resized)


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


class Resize(Augmentation):
    """Resize to a fixed size, whatever the aspect ratio.

    Args:
        shape: (height, width) in pixels, or one number for both.
    """

    def __init__(self, shape: int | Sequence[int]) -> None:
        self.shape = (shape, shape) if isinstance(shape, int) else tuple(shape)

    def get_transform(self, image: np.ndarray, rng: np.random.Generator) -> Transform:
        """The resize."""
        return ResizeTransform(*image.shape[:2], *self.shape)


class ResizeShortestEdge(Augmentation):
    """Resize so that the shorter edge gets a wanted length, keeping the aspect ratio.

    Args:
        short_edge_length: pixels; for "range" the smallest and largest, for "choice" a list.
        max_size: the longer edge is never longer; the shorter one then shrinks with it.
        sample_style: "range" (any integer between the two) or "choice" (one of the list).
        interp: a Pillow resampling filter.
    """

    def __init__(
        self,
        short_edge_length: int | Sequence[int],
        max_size: int = sys.maxsize,
        sample_style: str = "range",
        interp: int = Image.Resampling.BILINEAR,
    ) -> None:
        if sample_style not in ("range", "choice"):
            raise ValueError(f"sample_style must be range or choice, got {sample_style!r}")
        if isinstance(short_edge_length, int):
            short_edge_length = (short_edge_length, short_edge_length)
        elif sample_style == "range" and len(short_edge_length) != 2:
            raise ValueError(f"a range is (smallest, largest), got {list(short_edge_length)}")
        self.lengths = [int(length) for length in short_edge_length]
        self.max_size = max_size
        self.sample_style = sample_style
        self.interp = interp

    def get_transform(self, image: np.ndarray, rng: np.random.Generator) -> Transform:
        """A resize to one of the lengths."""
        if self.sample_style == "range":
            length = int(rng.integers(self.lengths[0], self.lengths[1], endpoint=True))
        else:
            length = self.lengths[int(rng.integers(len(self.lengths)))]
        height, width = image.shape[:2]
        new_size = self.output_size((height, width), length, self.max_size)
        return ResizeTransform(height, width, *new_size, self.interp)

    @staticmethod
    def output_size(size: tuple[int, int], short_edge: int, max_size: int) -> tuple[int, int]:
        """(height, width) after the resize; halves are rounded up, as published.

        Args:
            size: (height, width) before.
            short_edge: wanted length of the shorter edge.
            max_size: limit of the longer edge.
        """
        # The order of these float operations decides how halves round: scale to the short edge
        # first, then shrink to the limit.
        scale = short_edge / min(size)
        edges = [float(short_edge) if edge == min(size) else scale * edge for edge in size]
        if max(edges) > max_size:
            shrink = max_size / max(edges)
            edges = [edge * shrink for edge in edges]
        height, width = (int(edge + 0.5) for edge in edges)
        return height, width


class RandomCrop(Augmentation):
    """Cut out a rectangle at a random place.

    Args:
        crop_type: how `crop_size` is meant: "absolute" (height, width) in pixels;
            "absolute_range" (smallest, largest) in pixels, height and width drawn separately;
            "relative" (height, width) as parts of the image; "relative_range" the smallest such
            parts, 1 being the largest. Never larger than the image.
        crop_size: two numbers.
    """

    def __init__(self, crop_type: str, crop_size: Sequence[float]) -> None:
        if crop_type not in _CROP_SIZES:
            raise ValueError(f"crop_type must be one of {list(_CROP_SIZES)}, got {crop_type!r}")
        self.crop_type = crop_type
        self.crop_size = tuple(crop_size)

    def get_transform(self, image: np.ndarray, rng: np.random.Generator) -> Transform:
        """A crop; every position is equally likely."""
        height, width = image.shape[:2]
        crop_height, crop_width = _CROP_SIZES[self.crop_type]((height, width), self.crop_size, rng)
        top = int(rng.integers(height - crop_height, endpoint=True))
        left = int(rng.integers(width - crop_width, endpoint=True))
        return CropTransform(left, top, crop_width, crop_height, width, height)


def _absolute(size: Sequence[int], crop: Sequence[float], rng: np.random.Generator) -> list[int]:
    return [min(edge, int(wanted)) for edge, wanted in zip(size, crop, strict=True)]


def _absolute_range(
    size: Sequence[int], crop: Sequence[float], rng: np.random.Generator
) -> list[int]:
    smallest, largest = crop
    return [
        int(rng.integers(min(edge, smallest), min(edge, largest), endpoint=True)) for edge in size
    ]


def _relative(size: Sequence[int], crop: Sequence[float], rng: np.random.Generator) -> list[int]:
    return [max(1, int(edge * part + 0.5)) for edge, part in zip(size, crop, strict=True)]


def _relative_range(
    size: Sequence[int], crop: Sequence[float], rng: np.random.Generator
) -> list[int]:
    return _relative(size, [rng.uniform(part, 1.0) for part in crop], rng)


_CROP_SIZES = {
    "absolute": _absolute,
    "absolute_range": _absolute_range,
    "relative": _relative,
    "relative_range": _relative_range,
}
