"""Augmentations: random choices that become deterministic transforms of pixels and boxes.

An augmentation draws from the generator it is handed and nothing else, so that a sample's
augmentation is a function of (seed, epoch, index). A transform (`fvcore.transforms`) applies the
result to images and to boxes, XYXY in pixels. Shapes are (height, width) unless said otherwise.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from fvcore.transforms.transform import Transform, TransformList


def draw_between(ends: Sequence[float], rng: np.random.Generator) -> float:
    """A number from the first to the second, every one as likely."""
    low, high = ends
    return rng.uniform(low, high)


def draw_integer(ends: Sequence[int], rng: np.random.Generator) -> int:
    """An integer from the first to the second, both included, every one as likely."""
    low, high = ends
    return int(rng.integers(low, high, endpoint=True))


@dataclass
class LabelledImage:
    """An image and its objects.

    Attributes:
        pixels: (H, W, 3) uint8.
        boxes: (N, 4) float64, XYXY in pixels.
        classes: (N,) int64.
    """

    pixels: np.ndarray
    boxes: np.ndarray
    classes: np.ndarray

    def transformed(self, transform: Transform) -> LabelledImage:
        """What a transform makes of it; objects are gone whose boxes it leaves empty."""
        pixels, boxes = transform.apply_image(self.pixels), transform.apply_box(self.boxes)
        there = (boxes[:, 2:] > boxes[:, :2]).all(axis=1)
        return LabelledImage(pixels, boxes[there], self.classes[there])


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


class MixAugmentation(ABC):
    """A policy that makes one image of several."""

    @abstractmethod
    def mix(
        self,
        example: LabelledImage,
        rng: np.random.Generator,
        draw: Callable[[], LabelledImage],
    ) -> LabelledImage:
        """Combine an image with others.

        Args:
            example: the image; not changed.
            rng: source of every random draw.
            draw: reads another image of the dataset, as it is, chosen by `rng`.
        """


AnyAugmentation = Augmentation | BoxAugmentation | MixAugmentation


def augment(
    augmentations: Sequence[AnyAugmentation],
    example: LabelledImage,
    rng: np.random.Generator,
    draw: Callable[[], LabelledImage],
) -> LabelledImage:
    """Augment step by step; each step sees what the one before made.

    Args:
        augmentations: the steps.
        example: not changed.
        rng: source of every random draw.
        draw: see `MixAugmentation.mix`.
    """
    for augmentation in augmentations:
        if isinstance(augmentation, MixAugmentation):
            example = augmentation.mix(example, rng, draw)
        else:
            transform = _decide(augmentation, example.pixels, rng, example.boxes)
            example = example.transformed(transform)
    return example


def apply_augmentations(
    augmentations: Sequence[Augmentation | BoxAugmentation],
    image: np.ndarray,
    rng: np.random.Generator,
    boxes: np.ndarray | None = None,
) -> tuple[np.ndarray, TransformList]:
    """Augment one image by itself, and say how.

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
        transform = _decide(augmentation, image, rng, boxes)
        image, boxes = transform.apply_image(image), transform.apply_box(boxes)
        transforms.append(transform)
    return image, TransformList(transforms)


def _decide(
    augmentation: Augmentation | BoxAugmentation,
    image: np.ndarray,
    rng: np.random.Generator,
    boxes: np.ndarray,
) -> Transform:
    if isinstance(augmentation, BoxAugmentation):
        return augmentation.get_transform(image, rng, boxes)
    return augmentation.get_transform(image, rng)
