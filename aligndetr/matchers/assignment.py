"""Which query answers for which object."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass
class Assignment:
    """M pairs of a query and an object, over all layers and images of a batch.

    The candidates of one object compete with each other within a layer and a group.

    Attributes:
        layer: (M,) int64 index of the layer.
        image: (M,) int64 index of the image in the batch.
        query: (M,) int64 index of the query.
        target: (M,) int64 index of the object among all objects of the batch.
        group: (M,) int64 index of the denoising group; 0 for matching queries.
    """

    layer: Tensor
    image: Tensor
    query: Tensor
    target: Tensor
    group: Tensor

    def __len__(self) -> int:
        return len(self.layer)

    @property
    def where(self) -> tuple[Tensor, Tensor, Tensor]:
        """Index of the matched entries of an (I, B, Q, ...) tensor."""
        return self.layer, self.image, self.query

    def ranks(self, quality: Tensor) -> Tensor:
        """Place of every candidate among those of its object: 0 for the highest quality.

        Args:
            quality: (M,); of equals, the lower query index comes first.

        Returns:
            (M,) int64.
        """
        order, first = self._best_first(quality, (self.target, self.group, self.layer))
        place = torch.arange(len(self), device=order.device)
        return torch.empty_like(place).index_put((order,), place - first)

    def best_of_image(self, quality: Tensor) -> Tensor:
        """The highest quality among all pairs of a pair's image and layer: (M,) -> (M,)."""
        order, first = self._best_first(quality, (self.image, self.layer))
        return torch.empty_like(quality).index_put((order,), quality[order][first])

    def of_all_layers(self, num_layers: int) -> Assignment:
        """In each of the layers the pairs that any layer has, but one a query.

        A query keeps the object that it answers for in most layers, of equals the first object.

        Args:
            num_layers: I; groups are left out, as matching queries have none.
        """
        rows = torch.stack([self.image, self.query, self.target], 1)
        rows, count = rows.unique(dim=0, return_counts=True)
        image, query, target = rows.unbind(1)
        nothing = torch.zeros_like(image)
        pairs = Assignment(nothing, image, query, target, nothing)
        order, first = pairs._best_first(count, (image, query))
        kept = order[first.unique()]
        layer = torch.arange(num_layers, device=kept.device).repeat_interleave(len(kept))
        columns = (column[kept].repeat(num_layers) for column in (image, query, target, nothing))
        return Assignment(layer, *columns)

    def _best_first(self, quality: Tensor, keys: tuple[Tensor, ...]) -> tuple[Tensor, Tensor]:
        """Pairs bag by bag, best first, and at each place of this order where its bag begins.

        Args:
            quality: (M,); of equals, the lower query index comes first.
            keys: (M,) each; pairs of a bag agree in all of them.
        """
        order = self.query.argsort(stable=True)
        order = order[quality[order].argsort(stable=True, descending=True)]
        for key in keys:
            order = order[key[order].argsort(stable=True)]
        bag = torch.stack(keys)[:, order]
        place = torch.arange(len(self), device=order.device)
        starts = torch.ones_like(place, dtype=torch.bool)
        starts[1:] = (bag[:, 1:] != bag[:, :-1]).any(0)
        return order, torch.where(starts, place, 0).cummax(0).values

    @staticmethod
    def from_rows(
        rows: list[tuple[int, int, int, Tensor, Tensor]], device: torch.device
    ) -> Assignment:
        """Join partial results and move them to `device` in one transfer.

        Args:
            rows: (layer, image, group, queries, targets) with host tensors of equal length.
            device: where the predictions are.
        """
        layer, image, group = (
            torch.cat([torch.full_like(row[3], row[:3][i]) for row in rows]) for i in range(3)
        )
        query, target = (torch.cat([row[i] for row in rows]) for i in (3, 4))
        columns = torch.stack([layer, image, query, target, group])
        return Assignment(*columns.to(device, non_blocking=True))
