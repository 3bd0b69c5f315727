"""Stacks of equal layers."""

from __future__ import annotations

import copy

from torch import nn


def repeat(layer: nn.Module, times: int) -> nn.ModuleList:
    """`times` independent copies of a layer, each with its own fresh initial weights."""
    copies = nn.ModuleList(copy.deepcopy(layer) for _ in range(times))
    for module in reversed(list(copies.modules())):  # parents last: they refine their children
        reset = getattr(module, "reset_parameters", None)
        if callable(reset):
            reset()
    return copies


def share(layer: nn.Module, times: int) -> nn.ModuleList:
    """One layer under `times` names: all uses have the same weights."""
    return nn.ModuleList([layer] * times)
