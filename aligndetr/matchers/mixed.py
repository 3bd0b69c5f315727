"""Bipartite matching, one-to-one and one-to-many."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from aligndetr.matchers.assignment import Assignment
from aligndetr.matchers.cost import MatchingCost
from aligndetr.structures import Predictions, Targets


class MixedMatcher:
    """Lets up to k queries answer for each object, at least total cost (AlignDETR, section 3.4).

    One-to-many matching is one-to-one matching with every object copied k times. In an image so
    crowded that the copies would take more than half of the queries, k is lowered for this image:
    k_i = max(1, min(k, floor(Q / (2 G_i)))). Should an image hold more objects than queries, the
    cheapest Q of them are matched.

    Args:
        cost: of one query for one object.
    """

    def __init__(self, cost: MatchingCost) -> None:
        self.cost = cost

    @torch.no_grad()
    def __call__(
        self, predictions: Predictions, targets: Targets, match_num: Sequence[int] | None = None
    ) -> Assignment:
        """Match all layers; their costs reach the host in one transfer.

        Args:
            predictions: of I layers.
            targets: ground truth of the batch.
            match_num: k of each layer; 1 for all when None.

        Raises:
            ValueError: `match_num` has not one entry a layer.
        """
        num_layers, _, num_queries, _ = predictions.logits.shape
        match_num = [1] * num_layers if match_num is None else list(match_num)
        if len(match_num) != num_layers:
            raise ValueError(f"match_num {match_num} must have one entry for each of {num_layers}")
        rows, first = [], 0
        for image, cost in enumerate(self._costs(predictions, targets)):
            size = cost.shape[-1]
            for layer, k in enumerate(match_num):
                copies = max(1, min(k, num_queries // (2 * max(size, 1))))
                query, target = assign(cost[layer], copies)
                rows.append((layer, image, 0, query, target + first))
            first += size
        return Assignment.from_rows(rows, predictions.logits.device)

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


class HungarianMatcher(MixedMatcher):
    """One query for each object (DETR, section 3.1)."""

    def __call__(
        self, predictions: Predictions, targets: Targets, match_num: Sequence[int] | None = None
    ) -> Assignment:
        """Match all layers one-to-one.

        Raises:
            ValueError: `match_num` asks for more than one query an object.
        """
        if match_num is not None and any(k != 1 for k in match_num):
            raise ValueError(f"HungarianMatcher is one-to-one, match_num is {match_num}")
        return super().__call__(predictions, targets)


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
