"""Varifocal loss."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from aligndetr.matchers import Assignment


class VarifocalLoss:
    """The score of a matched query should be its overlap with the object (VarifocalNet, eq. 2).

    With probability p and overlap u of the matched box,

        loss = sum over matched    u (-u log p - (1 - u) log(1 - p))
             + sum over the others -alpha p^gamma log(1 - p)

    Neither u nor p^gamma carries gradient (RT-DETR, section 4.3).

    Args:
        alpha: weight of entries that are not matched.
        gamma: how much easy ones of these are discounted.
    """

    def __init__(self, alpha: float = 0.75, gamma: float = 2.0) -> None:
        self.alpha = alpha
        self.gamma = gamma

    def __call__(
        self, logits: Tensor, labels: Tensor, iou: Tensor, assignment: Assignment
    ) -> tuple[Tensor, Tensor]:
        """See `AlignLoss.__call__`; every pair weighs 1."""
        where = (*assignment.where, labels)
        matched = logits[where]
        discount = self.alpha * logits.detach().sigmoid() ** self.gamma
        negative = discount * -F.logsigmoid(-logits)
        positive = iou * (-iou * F.logsigmoid(matched) - (1 - iou) * F.logsigmoid(-matched))
        loss = negative.index_put(where, positive)
        return loss.sum((1, 2, 3)), torch.ones_like(iou)
