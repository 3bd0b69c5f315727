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

    def padded(self) -> tuple[Tensor, Tensor]:
        """Labels (B, G) and boxes (B, G, 4), G objects in each image, as many as in the fullest.

        What an image lacks repeats its last object, and some object of the batch where it has none.
        """
        sizes = torch.tensor(self.sizes)
        within = torch.arange(max(self.sizes)).minimum((sizes - 1).unsqueeze(1))
        index = (sizes.cumsum(0) - sizes).unsqueeze(1) + within
        index = index.clamp(0, max(self.num_boxes - 1, 0))
        index = index.to(self.all_labels.device, non_blocking=True)
        return self.all_labels[index], self.all_boxes[index]
