"""Prediction heads."""

from __future__ import annotations

import math
from typing import cast

from torch import nn

from aligndetr.errors import ConfigError
from aligndetr.layers.mlp import MLP


class ClassHead(nn.Linear):
    """Class logits, biased so that every class starts with probability `prior`.

    Args:
        embed_dim: C.
        num_classes: K.
        prior: initial probability (Focal Loss, section 4.1).

    Raises:
        ConfigError: `num_classes` is None.
    """

    has_no_object = False

    def __init__(self, embed_dim: int, num_classes: int, prior: float = 0.01) -> None:
        check_num_classes(num_classes)
        self.prior = prior
        super().__init__(embed_dim, num_classes)

    def reset_parameters(self) -> None:
        """As `nn.Linear`, then the prior."""
        super().reset_parameters()
        nn.init.constant_(self.bias, -math.log((1 - self.prior) / self.prior))


class NoObjectClassHead(nn.Linear):
    """Class logits with one more at the end for "no object", for a softmax (DETR).

    Args:
        embed_dim: C.
        num_classes: K, without "no object".

    Raises:
        ConfigError: `num_classes` is None.
    """

    has_no_object = True

    def __init__(self, embed_dim: int, num_classes: int) -> None:
        check_num_classes(num_classes)
        super().__init__(embed_dim, num_classes + 1)


class BoxHead(MLP):
    """Box corrections in logit space, zero at first, so that training starts at the anchors.

    Args:
        embed_dim: C, also of the hidden layers.
        num_layers: linear layers.
    """

    def __init__(self, embed_dim: int, num_layers: int = 3) -> None:
        super().__init__(embed_dim, embed_dim, 4, num_layers)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Zero the last layer."""
        last = cast(nn.Linear, self.layers[-1])
        nn.init.zeros_(last.weight)
        nn.init.zeros_(last.bias)


def check_num_classes(num_classes: int | None) -> None:
    """Raise a ConfigError if no one has said how many classes there are."""
    if num_classes is None:
        raise ConfigError(
            "model.num_classes is null: give the number of classes, as in model.num_classes=80, or "
            "run `aligndetr train`, which takes it from a dataset that names its classes"
        )
