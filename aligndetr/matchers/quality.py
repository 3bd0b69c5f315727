"""Matching without an optimum: a query answers for what it suits well enough."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from aligndetr.matchers.matcher import Matcher


@dataclass
class QualityMatcher(Matcher):
    """Every query answers for the object that it suits best, if well enough (MS-DETR, section 3.2).

    An object keeps the k best of its queries. The best query for an object is chosen even if it is
    not good enough; it answers for the object that it suits best, as all do. arXiv 2401.03989; the
    authors' published code takes the k from all queries, also from those of other objects.

    Args:
        cost: minus the quality, see `QualityCost`.
        threshold: quality that is enough.
    """

    threshold: float = 0.4

    def pairs(self, cost: Tensor, k: int) -> tuple[Tensor, Tensor]:
        """See `Matcher`."""
        quality, num_queries = -cost, len(cost)
        if not quality.numel():
            nothing = torch.empty(0, dtype=torch.int64)
            return nothing, nothing
        best, target = quality.max(1)
        chosen = best >= self.threshold
        chosen[quality.argmax(0)] = True
        query = chosen.nonzero().squeeze(1)
        query = query[best[query].argsort(descending=True, stable=True)]
        query = torch.cat([query[target[query] == each][:k] for each in range(cost.shape[1])])
        order = (target[query] * num_queries + query).argsort()
        return query[order], target[query][order]
