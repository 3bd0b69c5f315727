"""The published CUDA operator of deformable attention, where someone has compiled it.

Deformable-DETR's `models/ops` and its copies install a module `MultiScaleDeformableAttention`. It
is no dependency, and nothing of it is in this repository: it is measured against if it is there.
"""

from __future__ import annotations

import importlib
from typing import Any

import torch
from torch import Tensor

MODULE = "MultiScaleDeformableAttention"
IMAGES_AT_ONCE = 64  # as published


def published_module() -> Any | None:
    """The compiled module, or None if it is not installed or not for this PyTorch."""
    try:
        return importlib.import_module(MODULE)
    except ImportError:
        return None


class PublishedOperator(torch.autograd.Function):
    """Calls the compiled module; arguments as of `ms_deform_attn`, levels as a tensor."""

    @staticmethod
    def forward(ctx, module, value, shapes, starts, locations, weights):
        """(B, Q, C)."""
        ctx.module = module
        ctx.save_for_backward(value, shapes, starts, locations, weights)
        return module.ms_deform_attn_forward(
            value, shapes, starts, locations, weights, IMAGES_AT_ONCE
        )

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, gradient):
        """Of value, locations and weights."""
        grad_value, grad_locations, grad_weights = ctx.module.ms_deform_attn_backward(
            *ctx.saved_tensors, gradient.contiguous(), IMAGES_AT_ONCE
        )
        return None, grad_value, None, None, grad_locations, grad_weights


def published(
    module: Any, value: Tensor, levels: list[tuple[int, int]], locations: Tensor, weights: Tensor
) -> Tensor:
    """See `ms_deform_attn`."""
    shapes = torch.tensor(levels, device=value.device)
    sizes = shapes.prod(1)
    starts = sizes.cumsum(0) - sizes
    return PublishedOperator.apply(module, value, shapes, starts, locations, weights)
