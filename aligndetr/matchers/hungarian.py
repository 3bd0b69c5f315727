"""Bipartite matching: one query for each object, at least total cost."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from numbers import Integral

import torch
from torch import Tensor

from aligndetr.errors import ConfigError
from aligndetr.matchers.assignment import Assignment
from aligndetr.matchers.cost import MatchingCost
from aligndetr.structures import Predictions, Targets


@dataclass
class HungarianMatcher:
    """One query for each object (DETR, section 3.1).

    Should an image hold more objects than queries, the cheapest Q of them are matched.

    Args:
        cost: of one query for one object.
    """

    cost: MatchingCost

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
        num_layers, _, num_queries, _ = predictions.logits.shape
        match_num = [1] * num_layers if match_num is None else check_match_num(match_num)
        if len(match_num) != num_layers:
            raise ConfigError(f"match_num {match_num} must have one entry for each of {num_layers}")
        rows, first = [], 0
        for image, cost in enumerate(self._costs(predictions, targets)):
            size = cost.shape[-1]
            for layer, k in enumerate(match_num):
                query, target = assign(cost[layer], self.copies(k, size, num_queries))
                rows.append((layer, image, 0, query, target + first))
            first += size
        return Assignment.from_rows(rows, predictions.logits.device)

    def copies(self, k: int, num_objects: int, num_queries: int) -> int:
        """How often the objects of an image are copied where k queries an object are wanted.

        Raises:
            ConfigError: k is not 1.
        """
        if k != 1:
            raise ConfigError(
                f"HungarianMatcher is one-to-one, match_num asks for {k} queries an object: "
                "take MixedMatcher, or 1 in all places"
            )
        return 1

    def _costs(self, predictions: Predictions, targets: Targets) -> list[Tensor]:
        """B host tensors (I, Q, G_i)."""
        kind = torch.promote_types(predictions.logits.dtype, torch.float32)
        logits, boxes = predictions.logits.to(kind), predictions.boxes.to(kind)
        costs = [
            self.cost(logits[:, image], boxes[:, image], labels, target.to(kind))
            for image, (labels, target) in enumerate(
                zip(targets.labels, targets.boxes, strict=True)
            )
        ]
        host = torch.cat([cost.flatten() for cost in costs]).cpu()
        parts = host.split([cost.numel() for cost in costs])
        return [part.view(cost.shape) for part, cost in zip(parts, costs, strict=True)]


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
    return isinstance(k, Integral) and not isinstance(k, bool) and k >= 1


def assign(cost: Tensor, copies: int = 1) -> tuple[Tensor, Tensor]:
    """Queries and objects of a cheapest matching, sorted by object, then by query.

    Args:
        cost: (Q, G) on the host.
        copies: queries an object may get.

    Returns:
        Two (min(Q, copies * G),) int64 tensors.
    """
    from scipy.optimize import linear_sum_assignment

    size = cost.shape[1]
    query, column = linear_sum_assignment(cost.repeat(1, copies).numpy())
    query, target = torch.from_numpy(query), torch.from_numpy(column % max(size, 1))
    order = (target * cost.shape[0] + query).argsort()
    return query[order], target[order]
