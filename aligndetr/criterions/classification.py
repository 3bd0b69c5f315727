"""Classification losses: what all of them are, and those of one sigmoid a class."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor
from torch.nn import functional as F

from aligndetr.criterions.box_weights import BoxWeights
from aligndetr.criterions.comparison import Pairs
from aligndetr.criterions.score_targets import (
    AlignTarget,
    IoUTarget,
    OneTarget,
    RankWeights,
    Target,
)
from aligndetr.criterions.weightings import (
    AlignWeighting,
    FocalWeighting,
    VarifocalWeighting,
    Weighting,
)


@dataclass
class Classified:
    """What a classification loss says.

    Attributes:
        loss: (I,) sums over images, queries and classes.
        score: (M,) probability of each pair's class, without gradient.
        goal: (M,) what the loss wants it to be, without gradient.
        weight: (M,) of the pairs' box losses, without gradient.
    """

    loss: Tensor
    score: Tensor
    goal: Tensor
    weight: Tensor


class Classification(Protocol):
    """How wrong the classes of all queries are, with or without an object.

    Attributes:
        has_no_object: whether the last logit stands for "no object", as a softmax needs it.
    """

    has_no_object: bool

    def __call__(self, logits: Tensor, pairs: Pairs) -> Classified:
        """Loss of all layers.

        Args:
            logits: (I, B, Q, K), or (I, B, Q, K + 1) with "no object".
            pairs: the M pairs of a query and an object; all other queries have none.
        """
        ...


@dataclass
class SigmoidClassification:
    """Binary cross-entropy of every query and class, with soft targets and weights.

    With probability p of a class, and of the pair's class t the target and w+, w- the weighting,

        loss = sum over matched    w+ (-t log p - (1 - t) log(1 - p))
             + sum over the others w- (-log(1 - p))

    t carries no gradient. All logarithms are of sigmoids of logits, so that nothing overflows.

    Args:
        target: t, the score that a matched query should have, see `Target`.
        weighting: w+ and w-, see `Weighting`.
        rank_weights: lowers t and the box losses of an object's second, third, ... query; all of
            its queries count alike when None.
        box_weights: of the box losses, in place of the rank weights, see `BoxWeights`.
    """

    target: Target
    weighting: Weighting
    rank_weights: RankWeights | None = None
    box_weights: BoxWeights | None = None

    has_no_object = False

    def __call__(self, logits: Tensor, pairs: Pairs) -> Classified:
        """See `Classification`."""
        where = (*pairs.assignment.where, pairs.labels)
        matched = logits[where]
        with torch.no_grad():
            score = matched.sigmoid()
            goal = self.target(score, pairs)
            weight = torch.ones_like(goal)
            if self.rank_weights is not None:
                weight = self.rank_weights(goal, pairs.assignment)
            goal = goal * weight
            if self.box_weights is not None:
                weight = self.box_weights(goal)
        entropy = -goal * F.logsigmoid(matched) - (1 - goal) * F.logsigmoid(-matched)
        positive = self.weighting.positive(matched, goal) * entropy
        negative = self.weighting.negative(logits) * -F.logsigmoid(-logits)
        loss = negative.index_put(where, positive)
        return Classified(loss.sum((1, 2, 3)), score, goal, weight)


def focal_loss(alpha: float = 0.25, gamma: float = 2.0) -> SigmoidClassification:
    """All matched queries alike (Focal Loss, eq. 5); see `FocalWeighting`."""
    return SigmoidClassification(OneTarget(), FocalWeighting(alpha, gamma))


def varifocal_loss(alpha: float = 0.75, gamma: float = 2.0) -> SigmoidClassification:
    """The score should be the overlap (VarifocalNet, eq. 2); see `VarifocalWeighting`."""
    return SigmoidClassification(IoUTarget(), VarifocalWeighting(alpha, gamma))


def align_loss(alpha: float = 0.25, gamma: float = 2.0, tau: float = 1.5) -> SigmoidClassification:
    """IA-BCE with rank weights (AlignDETR, arXiv 2304.07527v1, eq. 4-8).

    Args:
        alpha: see `AlignTarget`.
        gamma: see `AlignWeighting`.
        tau: see `RankWeights`.
    """
    return SigmoidClassification(AlignTarget(alpha), AlignWeighting(gamma), RankWeights(tau))
