"""What losses are called, what each weighs, and what it is divided by."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping

from torch import Tensor

from aligndetr.criterions.comparison import Comparison
from aligndetr.errors import ConfigError

TERMS = ("class", "bbox", "giou")


def check_weights(weights: Mapping[str, float]) -> dict[str, float]:
    """Weights by term, as a criterion's `weights` sets them.

    Raises:
        ConfigError: not exactly the terms, or a weight that is not a number of at least 0.
    """
    if set(weights) != set(TERMS):
        raise ConfigError(f"weights must name class, bbox and giou, got {sorted(weights)}")
    for term, weight in weights.items():
        is_number = isinstance(weight, int | float) and not isinstance(weight, bool)
        if not (is_number and math.isfinite(weight) and weight >= 0):
            raise ConfigError(f"weights.{term} must be a number of at least 0, got {weight!r}")
    return dict(weights)


def layer_suffixes(num_layers: int) -> list[str]:
    """Endings of loss names: `_0`, `_1`, ... for all layers but the last, which has none."""
    return [*(f"_{layer}" for layer in range(num_layers - 1)), ""]


def weighted_losses(
    comparisons: Iterable[Comparison], num_boxes: Tensor | float
) -> dict[str, Tensor]:
    """Losses of all layers by name, such as `loss_class_enc`, `loss_bbox_0` or `loss_giou_dn`.

    Args:
        comparisons: with their sums and weights.
        num_boxes: objects to divide by; by `copies` times as many where objects occur so often.
    """
    found: dict[str, Tensor] = {}
    for comparison in comparisons:
        divisor = num_boxes * comparison.copies
        for term, losses in comparison.losses.items():
            names = [f"loss_{term}{suffix}" for suffix in comparison.suffixes]
            weighted = comparison.loss_weights[term] * losses / divisor  # all layers at once
            found |= zip(names, weighted.unbind(), strict=True)
    return found


def term_and_layer(name: str) -> tuple[str, str]:
    """Of a loss: `loss_bbox_dn_0` -> ("bbox", "dn_0"), `loss_bbox`, of the last layer, has ""."""
    term, _, layer = name.removeprefix("loss_").partition("_")
    return term, layer
