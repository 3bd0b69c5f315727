"""Bipartite matching: one query for each object, at least total cost."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from aligndetr.errors import ConfigError
from aligndetr.matchers.matcher import Matcher


@dataclass
class HungarianMatcher(Matcher):
    """One query for each object (DETR, section 3.1).

    Should an image hold more objects than queries, the cheapest Q of them are matched.

    Args:
        cost: of one query for one object.
    """

    def pairs(self, cost: Tensor, k: int) -> tuple[Tensor, Tensor]:
        """See `Matcher`."""
        return assign(cost, self.copies(k, cost.shape[1], cost.shape[0]))

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
