"""Activation checkpointing: activations are computed again in the backward pass, not kept."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.utils.checkpoint import checkpoint

from aligndetr.errors import ConfigError

KEY = "train.activation_checkpointing"
USUAL_PARTS = ("backbone", "encoder", "decoder")


def recompute_activations(model: nn.Module, parts: Sequence[str]) -> None:
    """Let the layers of some parts keep only their inputs in training (Chen et al., 2016).

    Losses, gradients and names of parameters stay the same; a step takes up to a third longer.

    Args:
        model: changed in place.
        parts: attributes of the model, such as "backbone", "encoder", "decoder".

    Raises:
        ConfigError: the model has no such part, or one that cannot be computed twice.
    """
    for part, module in model_parts(model, parts, KEY).items():
        layers = layers_of(module)
        if not layers:
            raise ConfigError(f"{KEY}: {part} is not made of layers that can be computed twice")
        if _have_batch_norms(layers):
            raise ConfigError(
                f"{KEY}: {part} has batch norms, whose statistics would be updated twice a step; "
                "leave it out or freeze them (norm=FrozenBN)"
            )
        for layer in layers:
            layer.forward = functools.partial(_recomputed, layer.forward)


def recomputable_parts(model: nn.Module) -> list[str]:
    """Which of backbone, encoder and decoder `recompute_activations` takes."""
    layers = {part: layers_of(getattr(model, part, nn.Identity())) for part in USUAL_PARTS}
    return [part for part, found in layers.items() if found and not _have_batch_norms(found)]


def model_parts(model: nn.Module, names: Sequence[str], key: str) -> dict[str, nn.Module]:
    """The parts of a model that the config names under `key`, by name.

    Raises:
        ConfigError: that is no list of names, or the model has no such part.
    """
    if isinstance(names, str) or not isinstance(names, Sequence):
        raise ConfigError(f"{key} is {names!r}; it must be a list of parts, such as [encoder]")
    children = dict(model.named_children())
    for name in names:
        if not isinstance(name, str) or name not in children:
            known = ", ".join(children)
            raise ConfigError(f"{key}: the model has no part {name!r}; it has {known}")
    return {name: children[name] for name in names}


def layers_of(part: nn.Module) -> list[nn.Module]:
    """`layers` of a transformer, or the blocks of a residual network's stages."""
    layers: Any = getattr(part, "layers", None)
    if layers is not None:
        return list(layers)
    stages = [child for child in part.children() if isinstance(child, nn.Sequential)]
    return [block for stage in stages for block in stage]


def _have_batch_norms(layers: Sequence[nn.Module]) -> bool:
    return any(isinstance(module, _BatchNorm) for layer in layers for module in layer.modules())


def _recomputed(forward: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    if not torch.is_grad_enabled():
        return forward(*args, **kwargs)
    return checkpoint(forward, *args, use_reentrant=False, **kwargs)
