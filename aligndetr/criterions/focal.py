"""Sigmoid focal loss."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from aligndetr.matchers import Assignment


class FocalLoss:
    """Classification by focal loss, all matched queries alike (Focal Loss, eq. 5).

    Args:
        alpha: weight of matched entries; 1 - alpha of the others.
        gamma: how much easy entries are discounted.
    """

    def __init__(self, alpha: float = 0.25, gamma: float = 2.0) -> None:
        self.alpha = alpha
        self.gamma = gamma

    def __call__(
        self, logits: Tensor, labels: Tensor, iou: Tensor, assignment: Assignment
    ) -> tuple[Tensor, Tensor]:
        """See `AlignLoss.__call__`; every pair weighs 1."""
        where = (*assignment.where, labels)
        matched = logits[where]
        negative = (1 - self.alpha) * logits.sigmoid() ** self.gamma * -F.logsigmoid(-logits)
        positive = self.alpha * matched.neg().sigmoid() ** self.gamma * -F.logsigmoid(matched)
        loss = negative.index_put(where, positive)
        return loss.sum((1, 2, 3)), torch.ones_like(iou)
