"""Cross-entropy over the classes and "no object"."""

from __future__ import annotations

import torch
from torch import Tensor

from aligndetr.matchers import Assignment


class NoObjectCrossEntropy:
    """Softmax classification where queries without an object belong to a class of their own (DETR).

    The last logit stands for "no object", which almost all queries belong to and which therefore
    weighs less. The loss is the weighted mean over all queries of the batch; it is returned times
    the number of matched queries, as losses are divided by the number of objects later.

    Args:
        no_object_weight: weight of a query without object; the others weigh 1.
    """

    def __init__(self, no_object_weight: float = 0.1) -> None:
        self.no_object_weight = no_object_weight

    def __call__(
        self, logits: Tensor, labels: Tensor, iou: Tensor, assignment: Assignment
    ) -> tuple[Tensor, Tensor]:
        """See `AlignLoss.__call__`; logits are (I, B, Q, K + 1), and every pair weighs 1."""
        entropy = -logits.log_softmax(-1)
        matched = entropy[(*assignment.where, labels)]
        where = assignment.where
        loss = (self.no_object_weight * entropy[..., -1]).index_put(where, matched)
        weight = torch.full_like(loss, self.no_object_weight)
        weight = weight.index_put(where, torch.ones_like(matched))
        pairs = max(len(labels) / len(logits), 1)  # of a layer
        return pairs * loss.sum((1, 2)) / weight.sum((1, 2)), torch.ones_like(iou)
