"""What the model should find."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor


@dataclass
class Targets:
    """Ground truth of a batch, in the model's coordinates.

    Attributes:
        labels: B tensors (G_i,) int64, contiguous class indices.
        boxes: B tensors (G_i, 4), cxcywh normalised to the unpadded image.
    """

    labels: list[Tensor]
    boxes: list[Tensor]

    @property
    def sizes(self) -> list[int]:
        """Objects per image, G_i."""
        return [len(labels) for labels in self.labels]

    @property
    def num_boxes(self) -> int:
        """Objects in the batch."""
        return sum(self.sizes)

    @cached_property
    def all_labels(self) -> Tensor:
        """(sum G_i,) labels of all images, in order."""
        return torch.cat(self.labels)

    @cached_property
    def all_boxes(self) -> Tensor:
        """(sum G_i, 4) boxes of all images, in order."""
        return torch.cat(self.boxes)
