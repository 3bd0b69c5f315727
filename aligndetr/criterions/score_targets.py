"""The score that a matched query should have."""

from __future__ import annotations

from typing import Protocol

import torch
from torch import Tensor

from aligndetr.criterions.comparison import Pairs
from aligndetr.layers.boxes import paired_giou
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
    """The overlap u of the query's box with the object, or a power of it.

    Args:
        power: 1 in VarifocalNet (eq. 2), 1.5 in DEIM (arXiv 2412.04234, matchability-aware loss).
    """

    def __init__(self, power: float = 1.0) -> None:
        self.power = power

    def __call__(self, score: Tensor, pairs: Pairs) -> Tensor:
        """See `Target`."""
        return pairs.iou**self.power


class BestIoUTarget(IoUTarget):
    """u^power, raised so that the best query of an image and a layer has 1 (Stable-DINO, 3.1).

    The order of an image's queries stays that of their overlaps, and one of them is certain,
    however poor all boxes are. arXiv 2304.04742; the rescaling as in the authors' published code.

    Args:
        power: of the overlap.
    """

    def __init__(self, power: float = 2.0) -> None:
        super().__init__(power)

    def __call__(self, score: Tensor, pairs: Pairs) -> Tensor:
        """See `Target`."""
        target = super().__call__(score, pairs)
        return target / pairs.assignment.best_of_image(target).clamp(min=1e-8)


class GIoUTarget:
    """(GIoU + 1) / 2: also boxes that miss their object are told apart (Rank-DETR, section 3.2).

    arXiv 2310.08854, "GIoU-aware classification loss".
    """

    def __call__(self, score: Tensor, pairs: Pairs) -> Tensor:
        """See `Target`."""
        return (paired_giou(pairs.boxes, pairs.target_boxes) + 1) / 2


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
