"""The backbones by name, for configs that choose one by a string."""

from __future__ import annotations

from typing import Any

from fvcore.common.registry import Registry
from torch import nn

BACKBONES = Registry("BACKBONES")
BACKBONES.__doc__ = """
Callables that build a backbone: a module with

- `forward(images (B,3,H,W)) -> dict[str, Tensor (B,C,H_l,W_l)]`, finest level first,
- `channels: dict[str, int]` and `strides: dict[str, int]` under the same names.
"""


def build_backbone(name: str, **arguments: Any) -> nn.Module:
    """Build the registered backbone `name` with the given arguments.

    Raises:
        ValueError: no backbone of that name is registered.
    """
    if name not in BACKBONES:
        known = ", ".join(key for key, _ in BACKBONES)
        raise ValueError(f"unknown backbone {name!r}: choose one of {known}, or register yours")
    return BACKBONES.get(name)(**arguments)
