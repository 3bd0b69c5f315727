"""Other sizes: fixed, by the shorter edge, or one random size for all images of a batch."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from fvcore.transforms.transform import NoOpTransform, Transform
from PIL import Image

from aligndetr.data.augmentation.augmentation import Augmentation
from aligndetr.data.augmentation.image_size import scaled
from aligndetr.structures import Instances


class ResizeTransform(Transform):
    """Resize with Pillow, whose filter is anti-aliased: pixels equal the published mapper's.

    Args:
        height, width: the old size.
        new_height, new_width: the new size.
        interpolation: a Pillow resampling filter.
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

    def apply_image(self, img: np.ndarray) -> np.ndarray:
        """Resize (H, W, 3) uint8."""
        if img.shape[:2] != (self.height, self.width):
            raise ValueError(f"expected {self.height}x{self.width} pixels, got {img.shape}")
        new_size = (self.new_width, self.new_height)
        return np.array(Image.fromarray(img).resize(new_size, self.interpolation))

    def apply_coords(self, coords: np.ndarray) -> np.ndarray:
        """Scale (N, 2) points (x, y)."""
        return coords * [self.new_width / self.width, self.new_height / self.height]


class Resize(Augmentation):
    """Resize to a fixed size, whatever the aspect ratio.

    Args:
        shape: (height, width) in pixels, or one number for both.
        scale: multiplies them, see `scale_to`.
    """

    def __init__(self, shape: int | Sequence[int], scale: float = 1.0) -> None:
        shape = (shape, shape) if isinstance(shape, int) else tuple(shape)
        self.shape = tuple(scaled(edge, scale) for edge in shape)

    def get_transform(self, image: np.ndarray, rng: np.random.Generator) -> Transform:
        """The resize."""
        return ResizeTransform(*image.shape[:2], *self.shape)


class ResizeShortestEdge(Augmentation):
    """Resize so that the shorter edge gets a wanted length, keeping the aspect ratio.

    Args:
        short_edge_length: pixels; for "range" the smallest and largest, for "choice" a list; None:
            images stay as they are.
        max_size: the longer edge is never longer; the shorter one then shrinks with it.
        sample_style: "range" (any integer between the two) or "choice" (one of the list).
        interp: a Pillow resampling filter.
        scale: multiplies all lengths, see `scale_to`.
    """

    def __init__(
        self,
        short_edge_length: int | Sequence[int] | None,
        max_size: float = sys.maxsize,
        sample_style: str = "range",
        interp: int = Image.Resampling.BILINEAR,
        scale: float = 1.0,
    ) -> None:
        if sample_style not in ("range", "choice"):
            raise ValueError(f"sample_style must be range or choice, got {sample_style!r}")
        if short_edge_length is None:
            short_edge_length = ()
        elif isinstance(short_edge_length, int):
            short_edge_length = (short_edge_length, short_edge_length)
        elif sample_style == "range" and len(short_edge_length) != 2:
            raise ValueError(f"a range is (smallest, largest), got {list(short_edge_length)}")
        self.lengths = [scaled(int(length), scale) for length in short_edge_length]
        self.max_size = max_size if scale == 1 else scaled(max_size, scale)
        self.sample_style = sample_style
        self.interp = interp

    def get_transform(self, image: np.ndarray, rng: np.random.Generator) -> Transform:
        """A resize to one of the lengths."""
        if not self.lengths:
            return NoOpTransform()
        if self.sample_style == "range":
            length = int(rng.integers(self.lengths[0], self.lengths[1], endpoint=True))
        else:
            length = self.lengths[int(rng.integers(len(self.lengths)))]
        height, width = image.shape[:2]
        new_size = self.output_size((height, width), length, self.max_size)
        return ResizeTransform(height, width, *new_size, self.interp)

    @staticmethod
    def output_size(size: tuple[int, int], short_edge: int, max_size: float) -> tuple[int, int]:
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


class BatchResize:
    """Resize the images of a batch, whatever their aspect ratio, to a square of random size.

    Args:
        sizes: edges in pixels; one that is listed three times is drawn three times as often.
        smallest_edge: pixels; objects with a shorter edge after the resize are left out.
        scale: multiplies the sizes, see `scale_to`.
    """

    def __init__(
        self, sizes: Sequence[int], smallest_edge: float = 1.0, scale: float = 1.0
    ) -> None:
        if not sizes:
            raise ValueError("sizes is empty: give at least one edge in pixels")
        self.sizes = [scaled(size, scale) for size in sizes]
        self.smallest_edge = smallest_edge

    def __call__(
        self, items: Sequence[dict[str, Any]], rng: np.random.Generator
    ) -> list[dict[str, Any]]:
        """Resize `image` (3, h, w) uint8 and, where there are any, the boxes of `instances`.

        Args:
            items: of one batch; not changed.
            rng: source of the random draw.
        """
        size = self.sizes[int(rng.integers(len(self.sizes)))]
        return [self._resize(item, size) for item in items]

    def _resize(self, item: dict[str, Any], size: int) -> dict[str, Any]:
        height, width = item["image"].shape[1:]
        resize = ResizeTransform(height, width, size, size)
        pixels = resize.apply_image(item["image"].permute(1, 2, 0).contiguous().numpy())
        resized = {**item, "image": torch.from_numpy(pixels).permute(2, 0, 1).contiguous()}
        if "instances" in item:
            fields = dict(item["instances"].get_fields())
            boxes = fields["gt_boxes"].scale(size / width, size / height)
            fields["gt_boxes"] = boxes.clip((size, size))  # rounding may leave the image
            kept = fields["gt_boxes"].nonempty(self.smallest_edge)
            resized["instances"] = Instances((size, size), **fields)[kept]
        return resized
