"""Absolute boxes, the form in which boxes live outside the model."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Tensor


class Boxes:
    """N boxes as (x0, y0, x1, y1) in pixels; x1, y1 are exclusive edges, so width = x1 - x0.

    Args:
        tensor: (N, 4), anything `torch.as_tensor` takes; integers become float32.

    Raises:
        ValueError: the last dimension is not 4.
    """

    def __init__(self, tensor: Tensor | Sequence[Any]) -> None:
        tensor = torch.as_tensor(tensor)
        if not tensor.is_floating_point():
            tensor = tensor.float()
        if tensor.numel() == 0:
            tensor = tensor.reshape(-1, 4)
        if tensor.dim() != 2 or tensor.shape[1] != 4:
            raise ValueError(f"boxes must have shape (N, 4), got {tuple(tensor.shape)}")
        self.tensor = tensor

    def area(self) -> Tensor:
        """Areas in square pixels, (N,)."""
        x0, y0, x1, y1 = self.tensor.unbind(1)
        return (x1 - x0) * (y1 - y0)

    def clip(self, size: tuple[int, int]) -> Boxes:
        """Boxes cut to an image of `size` = (height, width)."""
        height, width = size
        x0, y0, x1, y1 = self.tensor.unbind(1)
        cut = (x0.clamp(0, width), y0.clamp(0, height), x1.clamp(0, width), y1.clamp(0, height))
        return Boxes(torch.stack(cut, dim=1))

    def scale(self, scale_x: float, scale_y: float) -> Boxes:
        """Boxes in an image that is `scale_x` times as wide and `scale_y` times as high."""
        return Boxes(self.tensor * self.tensor.new_tensor([scale_x, scale_y, scale_x, scale_y]))

    def nonempty(self, threshold: float = 0.0) -> Tensor:
        """(N,) bool: width and height are both above `threshold` pixels."""
        x0, y0, x1, y1 = self.tensor.unbind(1)
        return (x1 - x0 > threshold) & (y1 - y0 > threshold)

    @staticmethod
    def cat(boxes: Sequence[Boxes]) -> Boxes:
        """All boxes of a sequence, in order."""
        return Boxes(torch.cat([b.tensor for b in boxes])) if boxes else Boxes(torch.zeros(0, 4))

    def to(self, *args, **kwargs) -> Boxes:
        """As `Tensor.to`."""
        return Boxes(self.tensor.to(*args, **kwargs))

    @property
    def device(self) -> torch.device:
        """Where the boxes are."""
        return self.tensor.device

    def __getitem__(self, item: int | slice | Tensor) -> Boxes:
        return Boxes(self.tensor[item].reshape(-1, 4))

    def __len__(self) -> int:
        return self.tensor.shape[0]

    def __iter__(self) -> Iterator[Tensor]:
        return iter(self.tensor)

    def __repr__(self) -> str:
        return f"Boxes({self.tensor})"
