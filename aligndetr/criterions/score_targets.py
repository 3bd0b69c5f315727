"""The score that a matched query should have."""

from __future__ import annotations

from typing import Protocol

import torch
from torch import Tensor

from aligndetr.criterions.comparison import Pairs
from aligndetr.matchers import Assignment


class Target(Protocol):
    """What the probability of its object's class should be for each of M matched queries."""

    def __call__(self, score: Tensor, pairs: Pairs) -> Tensor:
        """Called without gradient.

        Args:
            score: (M,) what it is.
            pairs: what else is known of the query and its object.

        Returns:
            (M,) in [0, 1].
        """
        ...


class OneTarget:
    """Certainty: every matched query counts alike (Focal Loss)."""

    def __call__(self, score: Tensor, pairs: Pairs) -> Tensor:
        """See `Target`."""
        return torch.ones_like(score)


class IoUTarget:
    """The overlap of the query's box with the object (VarifocalNet, eq. 2)."""

    def __call__(self, score: Tensor, pairs: Pairs) -> Tensor:
        """See `Target`."""
        return pairs.iou


class AlignTarget:
    """Score p and overlap u in one: p^alpha u^(1 - alpha), at least 0.01 (AlignDETR, eq. 4).

    Args:
        alpha: share of the score.
    """

    def __init__(self, alpha: float = 0.25) -> None:
        self.alpha = alpha

    def __call__(self, score: Tensor, pairs: Pairs) -> Tensor:
        """See `Target`."""
        quality = score**self.alpha * pairs.iou ** (1 - self.alpha)
        return quality.clamp(min=0.01)


class RankWeights:
    """Less for an object's second, third, ... query (AlignDETR, eq. 6-8).

    The queries of one object are ranked by their targets; the r-th, from 0, has weight
    exp(-r / tau), which multiplies its target and its box losses.

    Args:
        tau: how slowly weights fall with the rank.
    """

    def __init__(self, tau: float = 1.5) -> None:
        self.tau = tau

    def __call__(self, goal: Tensor, assignment: Assignment) -> Tensor:
        """(M,) targets of the pairs -> (M,) weights."""
        return torch.exp(-assignment.ranks(goal).to(goal.dtype) / self.tau)
