"""Detectors that only detect: what is constant then is computed once."""

from __future__ import annotations

from typing import Any, TypeVar

import torch
from torch import nn

Module = TypeVar("Module", bound=nn.Module)


@torch.no_grad()
def fold(model: Module) -> Module:
    """Let every part of a detector do in fewer steps what it does in evaluation, in place.

    Parts that can have a method `fold_constants`; those inside of a part come first. What is
    computed stays the same but for rounding. The names of parameters do not: fold what will neither
    be trained nor saved, or a copy.

    Args:
        model: see `Detector`; in evaluation mode.

    Returns:
        The same model.
    """
    parts: list[Any] = list(model.modules())  # parents come before children
    for part in reversed(parts):
        if hasattr(part, "fold_constants"):
            part.fold_constants()
    return model


def optimise(model: Module) -> Module:
    """Fold a detector that PyTorch itself runs: its kernels also lie in memory as its images do.

    A detector says how by its `pixel_format`; the kernels of one that does not stay as they are.
    """
    detector: Any = fold(model)  # torch does not declare `memory_format`
    return detector.to(memory_format=getattr(model, "pixel_format", torch.preserve_format))
