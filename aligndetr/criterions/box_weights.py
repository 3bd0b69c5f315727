"""How much the box losses of a matched query count."""

from __future__ import annotations

from typing import Protocol

import torch
from torch import Tensor


class BoxWeights(Protocol):
    """Weights of the L1 and GIoU losses of M matched queries."""

    def __call__(self, goal: Tensor) -> Tensor:
        """Called without gradient.

        Args:
            goal: (M,) the scores that the queries should have.
        """
        ...


class EqualBoxWeights:
    """1 for every query, also where rank weights lower the scores of some (DETR, section 3.1)."""

    def __call__(self, goal: Tensor) -> Tensor:
        """See `BoxWeights`."""
        return torch.ones_like(goal)


class GoalBoxWeights:
    """As high as the score should be: poor boxes are taught less (VarifocalNet, section 3.5)."""

    def __call__(self, goal: Tensor) -> Tensor:
        """See `BoxWeights`."""
        return goal
