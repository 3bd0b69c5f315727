"""Where the tokens of feature maps lie in their images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F


@dataclass
class Geometry:
    """Of L feature maps; images that are alike are described once, as a batch of 1.

    Attributes:
        masks: L times (1|B, H_l, W_l) bool, True = padding.
        centers: (1|B, S, 2) x, y of token centres, normalised to the unpadded image.
        valid_ratios: (1|B, L, 2) unpadded share of the width and of the height.
    """

    masks: list[Tensor]
    centers: Tensor
    valid_ratios: Tensor

    @staticmethod
    def of(
        padding: Tensor,
        shapes: Sequence[tuple[int, int]],
        dtype: torch.dtype,
        strides: Sequence[int] | None = None,
    ) -> Geometry:
        """Of maps of L shapes (H_l, W_l), for (1|B, H, W) bool padding of the images.

        With `strides` in pixels an image has as many cells of a level as fit, a part of one at its
        edge included; without, whole ones are counted.
        """
        masks = [_resize(padding, shape, dtype) for shape in shapes]
        if strides is None:
            cells = [_valid_size(mask, dtype) for mask in masks]
        else:
            pixels = _valid_size(padding, dtype)
            cells = [pixels / stride for stride in strides]
        pairs = list(zip(masks, cells, strict=True))
        ratios = [valid / _size(mask, dtype) for mask, valid in pairs]
        centers = torch.cat([_centers(mask, valid) for mask, valid in pairs], dim=1)
        return Geometry(masks, centers, torch.stack(ratios, 1))


def _resize(padding: Tensor, size: tuple[int, int], dtype: torch.dtype) -> Tensor:
    """Nearest-neighbour (B, H, W) -> (B, H_l, W_l) bool."""
    return F.interpolate(padding[None].to(dtype), size=size)[0].bool()


def _size(padding: Tensor, dtype: torch.dtype) -> Tensor:
    """(2,) width and height of the map."""
    sides = (torch.scalar_tensor(side, dtype=dtype) for side in padding.shape[:0:-1])
    return torch.stack(list(sides)).to(padding.device)  # numbers in one would freeze the sizes


def _valid_size(padding: Tensor, dtype: torch.dtype) -> Tensor:
    """(B, 2) width and height of what is not padding."""
    inside = ~padding
    return torch.stack([inside[:, 0, :].sum(1), inside[:, :, 0].sum(1)], dim=1).to(dtype)


def _centers(padding: Tensor, valid: Tensor) -> Tensor:
    """(B, H*W, 2) centres of cells divided by the (B, 2) unpadded width and height."""
    height, width = padding.shape[1:]
    y = torch.arange(height, dtype=valid.dtype, device=padding.device) + 0.5
    x = torch.arange(width, dtype=valid.dtype, device=padding.device) + 0.5
    grid = torch.stack([x.expand(height, width), y[:, None].expand(height, width)], dim=-1)
    return grid.flatten(0, 1) / valid.unsqueeze(1)
