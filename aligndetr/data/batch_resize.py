"""Multi-scale training: one random size for all images of a batch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from aligndetr.data.transforms import ResizeTransform
from aligndetr.structures import Instances


class BatchResize:
    """Resize the images of a batch, whatever their aspect ratio, to a square of random size.

    Args:
        sizes: edges in pixels; one that is listed three times is drawn three times as often.
        smallest_edge: pixels; objects with a shorter edge after the resize are left out.
    """

    def __init__(self, sizes: Sequence[int], smallest_edge: float = 1.0) -> None:
        if not sizes:
            raise ValueError("sizes is empty: give at least one edge in pixels")
        self.sizes = list(sizes)
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
