"""Augmentation of colours; boxes stay where they are."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from fvcore.transforms.transform import Transform
from PIL import Image, ImageEnhance

from aligndetr.data.augmentation.augmentation import Augmentation, draw_between

Change = Callable[[Image.Image], Image.Image]


@dataclass
class RandomPhotometricDistort(Augmentation):
    """Change brightness, contrast, saturation and hue, and swap channels, each or not (SSD, 2.2).

    For RGB images. Contrast changes before or after saturation and hue, as often one as the other.

    Args:
        brightness, contrast, saturation: smallest and largest factor.
        hue: smallest and largest shift, as a part of the colour circle.
        prob: how often each of the five changes happens.
    """

    brightness: Sequence[float] = (0.875, 1.125)
    contrast: Sequence[float] = (0.5, 1.5)
    saturation: Sequence[float] = (0.5, 1.5)
    hue: Sequence[float] = (-0.05, 0.05)
    prob: float = 0.5

    def get_transform(self, image: np.ndarray, rng: np.random.Generator) -> Transform:
        """The changes for one image."""
        changes = [
            partial(_enhance, ImageEnhance.Brightness, draw_between(self.brightness, rng)),
            partial(_enhance, ImageEnhance.Color, draw_between(self.saturation, rng)),
            partial(_shift_hue, draw_between(self.hue, rng)),
            partial(_swap_channels, rng.permutation(3)),
        ]
        contrast = partial(_enhance, ImageEnhance.Contrast, draw_between(self.contrast, rng))
        changes.insert(1 if rng.random() < 0.5 else 3, contrast)
        happens = rng.random(len(changes)) < self.prob
        return ColourTransform([c for c, wanted in zip(changes, happens, strict=True) if wanted])


class ColourTransform(Transform):
    """Changes of a picture's colours, one after the other.

    Args:
        changes: from a Pillow image to another of the same size.
    """

    def __init__(self, changes: Sequence[Change]) -> None:
        super().__init__()
        self.changes = list(changes)

    def apply_image(self, img: np.ndarray) -> np.ndarray:
        """Change (H, W, 3) uint8."""
        picture = Image.fromarray(img)
        for change in self.changes:
            picture = change(picture)
        return np.array(picture)

    def apply_coords(self, coords: np.ndarray) -> np.ndarray:
        """Points stay where they are."""
        return coords


def _enhance(kind: type, factor: float, picture: Image.Image) -> Image.Image:
    return kind(picture).enhance(factor)


def _shift_hue(part: float, picture: Image.Image) -> Image.Image:
    shift = int(part * 255)
    hue, saturation, value = picture.convert("HSV").split()
    hue = hue.point([(level + shift) % 256 for level in range(256)])
    return Image.merge("HSV", (hue, saturation, value)).convert("RGB")


def _swap_channels(order: np.ndarray, picture: Image.Image) -> Image.Image:
    channels = picture.split()
    return Image.merge("RGB", [channels[index] for index in order])
