"""Whether a training on a GPU can add in a fixed order, as `train.deterministic` asks."""

from __future__ import annotations

import torch
from torch import nn

from aligndetr.engine.precision import Precision
from aligndetr.errors import ConfigError


def check_deterministic(model: nn.Module, precision: Precision) -> None:
    """Refuse modules whose gradients on this GPU would be sums in no fixed order.

    PyTorch itself would stop in the first backward pass, without the name of a module. A module
    says so by a method `no_fixed_order(dtype)`, a reason or None.

    Args:
        model: to train, on its device.
        precision: of the training.

    Raises:
        ConfigError: deterministic algorithms are asked for, and such a module is in the model.
    """
    if precision.device.type != "cuda" or not torch.are_deterministic_algorithms_enabled():
        return
    dtype = precision.dtype or next(model.parameters()).dtype
    for name, module in model.named_modules():
        reason = getattr(module, "no_fixed_order", lambda dtype: None)(dtype)
        if reason:
            raise ConfigError(
                f"train.deterministic=true: the gradients of {name} ({type(module).__name__}) "
                f"would be added in an order that varies on a GPU: {reason}"
            )
