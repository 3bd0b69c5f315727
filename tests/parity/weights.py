"""Published weights in our models, through our own conversion, and our gradients by their names."""

from __future__ import annotations

import re

import torch
from torch import Tensor, nn

from aligndetr.interop.load import load_state
from aligndetr.interop.raw_checkpoint import RawCheckpoint
from aligndetr.interop.renaming import export_names, export_state
from aligndetr.interop.report import Report
from aligndetr.interop.sources import DETREX
from tests.parity.golden import Golden, filled


def first_alias(name: str) -> str:
    """The model's name of a head that the decoder repeats."""
    return re.sub(r"^transformer\.decoder\.(class|bbox)_embed\.", r"\1_embed.", name)


def canonical(name: str, golden: Golden) -> str:
    """The first of a tensor's aliases; without refinement all layers share the first heads."""
    name = first_alias(name)
    if golden.get("cfg_box_refine", 1):
        return name
    return re.sub(r"^(class|bbox)_embed\.\d+\.", r"\1_embed.0.", name)


def published_shapes(golden: Golden, model: nn.Module) -> dict[str, tuple[int, ...]]:
    """Every published key with its shape; from our export where the file does not list them."""
    if "state_keys" not in golden:
        return exported_shapes(model)
    pairs = (entry.split(":") for entry in golden["state_keys"])
    return {name: tuple(map(int, re.findall(r"\d+", shape))) for name, shape in pairs}


def exported_shapes(model: nn.Module) -> dict[str, tuple[int, ...]]:
    """What our export to the published layout would write, aliases included."""
    return {name: tuple(t.shape) for name, t in export_state(model.state_dict(), DETREX).items()}


def load_published(model: nn.Module, golden: Golden) -> Report:
    """Fill all published keys and load them as a checkpoint; nothing may be left on any side."""
    shapes = published_shapes(golden, model)
    values = {name: filled(canonical(name, golden), shape) for name, shape in shapes.items()}
    return load_state(model, RawCheckpoint(str(golden.path), values), strict=True)


def published_names(model: nn.Module) -> dict[str, str]:
    """Our parameter name -> the published one (first alias)."""
    return export_names([name for name, _ in model.named_parameters()], DETREX)


def gradient_norms(model: nn.Module) -> dict[str, Tensor]:
    """Gradient norm of every trained parameter by published name; no gradient counts as 0."""
    names = published_names(model)
    return {
        names[name]: torch.zeros(()) if p.grad is None else p.grad.norm()
        for name, p in model.named_parameters()
        if p.requires_grad
    }
