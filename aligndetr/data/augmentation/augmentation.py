"""Augmentations: random choices that become deterministic transforms of pixels and boxes.

An augmentation draws from the generator it is handed and nothing else, so that a sample's
augmentation is a function of (seed, epoch, index). A transform (`fvcore.transforms`) applies the
result to images and to boxes, XYXY in pixels. Shapes are (height, width) unless said otherwise.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

import numpy as np
from fvcore.transforms.transform import Transform, TransformList


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
