"""The class "no object": its cross-entropy, and which parts of a model know of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from aligndetr.criterions.classification import Classified
from aligndetr.criterions.comparison import Pairs
from aligndetr.errors import ConfigError


class NoObjectCrossEntropy:
    """Softmax classification where queries without an object belong to a class of their own (DETR).

    The last logit stands for "no object", which almost all queries belong to and which therefore
    weighs less. The loss is the weighted mean over all queries of the batch; it is returned times
    the number of matched queries, as losses are divided by the number of objects later.

    Args:
        no_object_weight: weight of a query without object; the others weigh 1.
    """

    has_no_object = True

    def __init__(self, no_object_weight: float = 0.1) -> None:
        self.no_object_weight = no_object_weight

    def __call__(self, logits: Tensor, pairs: Pairs) -> Classified:
        """See `Classification`; logits are (I, B, Q, K + 1), and every pair weighs 1."""
        entropy = -logits.log_softmax(-1)
        where = pairs.assignment.where
        matched = entropy[(*where, pairs.labels)]
        loss = (self.no_object_weight * entropy[..., -1]).index_put(where, matched)
        weight = torch.full_like(loss, self.no_object_weight)
        ones = torch.ones_like(matched)
        weight = weight.index_put(where, ones)
        num_pairs = max(len(ones) / len(logits), 1)  # of a layer
        loss = num_pairs * loss.sum((1, 2)) / weight.sum((1, 2))
        return Classified(loss, matched.detach().neg().exp(), ones, ones)


def check_no_object(parts: Mapping[str, Any]) -> None:
    """Refuse parts of one model that disagree on whether its last logit stands for "no object".

    Args:
        parts: by name; those without an attribute `has_no_object` go with anything.

    Raises:
        ConfigError: two parts disagree.
    """
    known = [(name, part) for name, part in parts.items() if hasattr(part, "has_no_object")]
    for name, part in known[1:]:
        first_name, first = known[0]
        if part.has_no_object != first.has_no_object:
            says = {True: 'takes the last logit for "no object"', False: "gives each class a logit"}
            raise ConfigError(
                f"{first_name} ({type(first).__name__}) {says[first.has_no_object]}, "
                f"{name} ({type(part).__name__}) {says[part.has_no_object]}: take either "
                "NoObjectClassHead, ProbabilityCost, NoObjectCrossEntropy and ArgmaxPostprocess, "
                "or ClassHead, FocalCost, SigmoidClassification and TopKPostprocess"
            )
