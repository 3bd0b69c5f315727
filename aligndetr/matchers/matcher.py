"""What every matcher does: costs of all layers and images, and one choice for each."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from numbers import Integral
from typing import Protocol

import torch
from torch import Tensor

from aligndetr.errors import ConfigError
from aligndetr.matchers.assignment import Assignment
from aligndetr.structures import Predictions, Targets


class Cost(Protocol):
    """What it costs to let a query answer for an object."""

    def __call__(self, logits: Tensor, boxes: Tensor, labels: Tensor, targets: Tensor) -> Tensor:
        """See `MatchingCost`."""
        ...


@dataclass
class Matcher(ABC):
    """Chooses queries for the objects of every layer and image by what they cost.

    Args:
        cost: of one query for one object.
    """

    cost: Cost

    @torch.no_grad()
    def __call__(
        self, predictions: Predictions, targets: Targets, match_num: Sequence[int] | None = None
    ) -> Assignment:
        """Match all layers; their costs reach the host in one transfer.

        Args:
            predictions: of I layers.
            targets: ground truth of the batch.
            match_num: queries that an object may get in each layer; 1 in all when None.

        Raises:
            ConfigError: `match_num` is not what this matcher takes, one entry a layer.
        """
        num_layers = len(predictions.logits)
        match_num = [1] * num_layers if match_num is None else check_match_num(match_num)
        if len(match_num) != num_layers:
            raise ConfigError(f"match_num {match_num} must have one entry for each of {num_layers}")
        rows, first = [], 0
        for image, cost in enumerate(self._costs(predictions, targets)):
            for layer, k in enumerate(match_num):
                query, target = self.pairs(cost[layer], k)
                rows.append((layer, image, 0, query, target + first))
            first += cost.shape[-1]
        return Assignment.from_rows(rows, predictions.logits.device)

    @abstractmethod
    def pairs(self, cost: Tensor, k: int) -> tuple[Tensor, Tensor]:
        """Choose for one image and layer.

        Args:
            cost: (Q, G) on the host.
            k: queries that an object may get, as `match_num` says.

        Returns:
            Queries and objects, int64 tensors of equal length, sorted by object, then by query.
        """

    def _costs(self, predictions: Predictions, targets: Targets) -> list[Tensor]:
        """B host tensors (I, Q, G_i)."""
        kind = torch.promote_types(predictions.logits.dtype, torch.float32)
        logits, boxes = predictions.logits.to(kind), predictions.boxes.to(kind)
        labels, goals = targets.padded()
        costs = self.cost(logits, boxes, labels, goals.to(kind)).cpu()
        return [costs[:, image, :, :size] for image, size in enumerate(targets.sizes)]


def check_match_num(match_num: Sequence[int]) -> list[int]:
    """`match_num` as a list.

    Raises:
        ConfigError: it is not a list of whole numbers of at least 1.
    """
    is_list = isinstance(match_num, Sequence) and not isinstance(match_num, str)
    if not (is_list and all(_is_count(k) for k in match_num)):
        raise ConfigError(
            f"match_num must be a list of whole numbers of at least 1, such as [2, 2, 1], "
            f"got {match_num!r}"
        )
    return list(match_num)


def _is_count(k: object) -> bool:
    return isinstance(k, Integral) and not isinstance(k, bool) and int(k) >= 1
