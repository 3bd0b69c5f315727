"""Images of different sizes in one tensor."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass
class ImageBatch:
    """Images padded at the bottom and right to the largest height and width.

    Attributes:
        pixels: (B, C, H, W) float.
        padding: (B, H, W) bool, True where there is no image.
        sizes: B times (height, width) in pixels of the unpadded image; None in a program for
            images of any size, where only `padding` tells.
    """

    pixels: Tensor
    padding: Tensor
    sizes: list[tuple[int, int]] | None

    @property
    def is_padded(self) -> bool:
        """Whether any of `padding` may be True; known on the host, where asking costs nothing."""
        full = tuple(self.pixels.shape[-2:])
        return self.sizes is None or any(size != full for size in self.sizes)

    @staticmethod
    def from_images(images: Sequence[Tensor]) -> ImageBatch:
        """Pad images (C, h, w) with zeros to a common size.

        Raises:
            ValueError: no images, or an image that is not (C, h, w).
        """
        if not images:
            raise ValueError("an empty list of images cannot be batched")
        for image in images:
            if image.dim() != 3:
                raise ValueError(f"an image must have shape (C, h, w), got {tuple(image.shape)}")
        sizes = [(int(image.shape[1]), int(image.shape[2])) for image in images]
        height, width = (max(side) for side in zip(*sizes, strict=True))
        device = images[0].device
        if len(set(sizes)) == 1:
            padding = torch.zeros(len(images), height, width, dtype=torch.bool, device=device)
            return ImageBatch(torch.stack(list(images)), padding, sizes)
        kind = functools.reduce(torch.promote_types, [image.dtype for image in images])
        pixels = images[0].new_zeros(len(images), len(images[0]), height, width, dtype=kind)
        for index, (image, (h, w)) in enumerate(zip(images, sizes, strict=True)):
            pixels[index, :, :h, :w] = image
        return ImageBatch(pixels, _outside(sizes, height, width, device), sizes)


def _outside(sizes: list[tuple[int, int]], height: int, width: int, device: torch.device) -> Tensor:
    """(B, height, width) True where an image of its size does not reach."""
    ends = torch.tensor(sizes).to(device, non_blocking=True)
    below = torch.arange(height, device=device) >= ends[:, :1]
    beside = torch.arange(width, device=device) >= ends[:, 1:]
    return below[:, :, None] | beside[:, None]
