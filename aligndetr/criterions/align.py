"""The alignment loss: the score a query should have follows from how well it localises."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from aligndetr.matchers import Assignment


class AlignLoss:
    """IoU-aware binary cross-entropy with rank weights (AlignDETR, arXiv 2304.07527, eq. 4-8).

    A matched query with probability p of its class and overlap u aims at
    t = p^alpha u^(1 - alpha), at least 0.01. Candidates of one object are ranked by t; the r-th
    (from 0) aims at t' = t exp(-r / tau), and exp(-r / tau) also weighs its box losses:

        loss = sum over matched    -t' log p - (1 - t') log(1 - p)
             + sum over the others -p^gamma log(1 - p)

    t' carries no gradient, p^gamma does. All logarithms are of sigmoids of logits, so that nothing
    overflows.

    Args:
        alpha: share of the score in t.
        gamma: how much easy negatives are discounted.
        tau: how slowly weights fall with the rank.
    """

    def __init__(self, alpha: float = 0.25, gamma: float = 2.0, tau: float = 1.5) -> None:
        self.alpha = alpha
        self.gamma = gamma
        self.tau = tau

    def __call__(
        self, logits: Tensor, labels: Tensor, iou: Tensor, assignment: Assignment
    ) -> tuple[Tensor, Tensor]:
        """Loss of all layers.

        Args:
            logits: (I, B, Q, K).
            labels: (M,) class of each pair's object.
            iou: (M,) overlap of each pair, without gradient.
            assignment: the M pairs.

        Returns:
            (I,) sums over images, queries and classes, and (M,) weights for the box losses.
        """
        where = (*assignment.where, labels)
        matched = logits[where]
        goal, weight = self.goals(matched.detach(), iou, assignment)
        negative = logits.sigmoid() ** self.gamma * -F.logsigmoid(-logits)
        positive = -goal * F.logsigmoid(matched) - (1 - goal) * F.logsigmoid(-matched)
        loss = negative.index_put(where, positive)
        return loss.sum((1, 2, 3)), weight

    def goals(self, matched: Tensor, iou: Tensor, assignment: Assignment) -> tuple[Tensor, Tensor]:
        """What matched queries aim at.

        Args:
            matched: (M,) logits of their objects' classes, without gradient.
            iou: (M,) overlaps.
            assignment: the M pairs.

        Returns:
            t' and exp(-r / tau), both (M,).
        """
        quality = matched.sigmoid() ** self.alpha * iou ** (1 - self.alpha)
        quality = quality.clamp(min=0.01)
        weight = torch.exp(-assignment.ranks(quality).to(quality.dtype) / self.tau)
        return quality * weight, weight
