"""How much matched and unmatched entries count in a classification loss."""

from __future__ import annotations

from typing import Protocol

import torch
from torch import Tensor


class Weighting(Protocol):
    """Weights w+ and w- of a sigmoid classification; gradient flows through them unless said."""

    def positive(self, matched: Tensor, goal: Tensor) -> Tensor:
        """w+ of the M matched entries.

        Args:
            matched: (M,) their logits.
            goal: (M,) the scores that they should have, without gradient.
        """
        ...

    def negative(self, logits: Tensor) -> Tensor:
        """w- of all entries, as if none were matched; of the shape of the logits."""
        ...


class FocalWeighting:
    """alpha (1 - p)^gamma and (1 - alpha) p^gamma, with gradient (Focal Loss, eq. 5).

    Args:
        alpha: share of matched entries.
        gamma: how much easy entries are discounted.
    """

    def __init__(self, alpha: float = 0.25, gamma: float = 2.0) -> None:
        self.alpha = alpha
        self.gamma = gamma

    def positive(self, matched: Tensor, goal: Tensor) -> Tensor:
        """See `Weighting`."""
        return self.alpha * matched.neg().sigmoid() ** self.gamma

    def negative(self, logits: Tensor) -> Tensor:
        """See `Weighting`."""
        return (1 - self.alpha) * logits.sigmoid() ** self.gamma


class VarifocalWeighting:
    """t and alpha p^gamma (VarifocalNet, eq. 2), without gradient (RT-DETR's published code).

    Args:
        alpha: weight of entries that are not matched.
        gamma: how much easy ones of these are discounted.
    """

    def __init__(self, alpha: float = 0.75, gamma: float = 2.0) -> None:
        self.alpha = alpha
        self.gamma = gamma

    def positive(self, matched: Tensor, goal: Tensor) -> Tensor:
        """See `Weighting`."""
        return goal

    def negative(self, logits: Tensor) -> Tensor:
        """See `Weighting`."""
        return self.alpha * logits.detach().sigmoid() ** self.gamma


class QualityFocalWeighting:
    """Factors times |t - p|^gamma and p^gamma, with gradient (quality focal loss; GFL, 3.1).

    What is already as sure as it should be counts little, whatever t is. arXiv 2006.04388; with
    the factors 0.25 and 0.75 in Rank-DETR and Stable-DINO, where t = 1 makes it `FocalWeighting`.

    Args:
        gamma: how much easy entries are discounted.
        positive_factor, negative_factor: of matched entries and of the others.
    """

    def __init__(
        self, gamma: float = 2.0, positive_factor: float = 1.0, negative_factor: float = 1.0
    ) -> None:
        self.gamma = gamma
        self.positive_factor = positive_factor
        self.negative_factor = negative_factor

    def positive(self, matched: Tensor, goal: Tensor) -> Tensor:
        """See `Weighting`."""
        return self.positive_factor * (goal - matched.sigmoid()).abs() ** self.gamma

    def negative(self, logits: Tensor) -> Tensor:
        """See `Weighting`."""
        return self.negative_factor * logits.sigmoid() ** self.gamma


class MatchabilityWeighting:
    """1 and p^gamma, without gradient (matchability-aware loss, MAL; DEIM, arXiv 2412.04234).

    The values are those of `AlignWeighting`, the gradients are not: here the weight of an entry
    that is not matched pulls its probability nowhere.

    Args:
        gamma: how much easy entries that are not matched are discounted; DEIM has the same number
            as the power of its `IoUTarget`.
    """

    def __init__(self, gamma: float = 1.5) -> None:
        self.gamma = gamma

    def positive(self, matched: Tensor, goal: Tensor) -> Tensor:
        """See `Weighting`."""
        return torch.ones_like(goal)

    def negative(self, logits: Tensor) -> Tensor:
        """See `Weighting`."""
        return logits.detach().sigmoid() ** self.gamma


class AlignWeighting:
    """1 and p^gamma, with gradient (IA-BCE; AlignDETR, eq. 5).

    Args:
        gamma: how much easy entries that are not matched are discounted.
    """

    def __init__(self, gamma: float = 2.0) -> None:
        self.gamma = gamma

    def positive(self, matched: Tensor, goal: Tensor) -> Tensor:
        """See `Weighting`."""
        return torch.ones_like(goal)

    def negative(self, logits: Tensor) -> Tensor:
        """See `Weighting`."""
        return logits.sigmoid() ** self.gamma
