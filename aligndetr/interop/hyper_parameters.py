"""What a model must agree on with a checkpoint: sizes of tensors, and traits that none shows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from aligndetr.interop.names import count
from aligndetr.interop.sources.source import Traits

STEM = "backbone.stem.conv1.weight"
COMPARED = ("stride_in_1x1", "position_temperature", "position_offset", "inverse_sigmoid_eps")
TOLERANCE = 1e-3
# What a size is called -> the parameter that shows it, and along which dimension.
SHOWN_BY = {
    "embedding dimension": ("encoder.layers.0.norm1.weight", 0),
    "feed-forward dimension": ("encoder.layers.0.ffn.linear1.weight", 0),
    "heads x levels x points of attention": (
        "encoder.layers.0.self_attention.attention_weights.weight",
        0,
    ),
    "feature levels": ("pyramid.level_embedding", 0),
    "queries": ("query_source.content.weight", 0),
    "queries with learned positions": ("query_source.embedding.weight", 0),
    "input channels": (STEM, 1),
    "backbone width": (STEM, 0),
}
COUNTED_BY = {
    "encoder layers": "encoder.layers.{i}.norm1.weight",
    "decoder layers": "decoder.layers.{i}.norm1.weight",
    "backbone levels in the neck": "neck.convs.{i}.conv.weight",
    **{f"blocks in {s}": f"backbone.{s}.{{i}}.conv1.weight" for s in ("res3", "res4", "res5")},
}


def sizes(state: Mapping[str, Tensor]) -> dict[str, int]:
    """Read the sizes off a state dict under our names; what it does not show is left out."""
    found = {
        size: state[name].shape[dimension]
        for size, (name, dimension) in SHOWN_BY.items()
        if name in state
    }
    counts = {size: count(state, template) for size, template in COUNTED_BY.items()}
    found |= {size: number for size, number in counts.items() if number}
    if "backbone.res3.0.conv1.weight" in state:
        found["convolutions a residual block"] = 3 if "backbone.res3.0.conv3.weight" in state else 2
    return found


def contradictions(checkpoint: Mapping[str, Tensor], model: Mapping[str, Tensor]) -> list[str]:
    """Say which sizes differ: "queries: 900 in the checkpoint, 300 in the model"."""
    ours = sizes(model)
    return [
        f"{size}: {theirs} in the checkpoint, {ours[size]} in the model"
        for size, theirs in sizes(checkpoint).items()
        if theirs != ours.get(size, theirs)
    ]


def model_traits(model: nn.Module) -> Traits:
    """Read the traits off a model; what it does not have is None."""
    backbone = getattr(model, "backbone", model)
    position = _reach(model, "pyramid", "position_embedding")
    return Traits(
        pixel_mean=_three(getattr(model, "pixel_mean", None)),
        pixel_std=_three(getattr(model, "pixel_std", None)),
        stride_in_1x1=_stride_in_1x1(backbone),
        position_temperature=getattr(position, "temperature", None),
        position_offset=getattr(position, "offset", None),
        inverse_sigmoid_eps=_reach(model, "decoder", "refinement", "eps"),
    )


def differing_traits(checkpoint: Traits, model: Traits) -> list[str]:
    """Say which traits differ, naming the value to set; pixel statistics are left to `fold_pixels`.

    Traits that one side does not know agree with anything.
    """
    return [
        f"{name}: the checkpoint was trained with {theirs}, the model has {ours}"
        for name in COMPARED
        if (theirs := getattr(checkpoint, name)) is not None
        and (ours := getattr(model, name)) is not None
        and abs(theirs - ours) > 1e-9
    ]


def fold_pixels(
    tensors: dict[str, Tensor], checkpoint: Traits, model: Traits
) -> tuple[dict[str, Tensor], str | None]:
    """Make the stem expect the model's pixel statistics instead of the checkpoint's.

    Channel order and standard deviation scale the kernel's input channels, which is exact. Another
    mean is not foldable: padding is zero after the normalisation.

    Returns:
        The tensors with a new stem where it was needed, and what was done, if anything.

    Raises:
        ValueError: the means differ by more than their order.
    """
    theirs, ours = checkpoint.pixel_mean, model.pixel_mean
    if theirs is None or ours is None or STEM not in tensors:
        return tensors, None
    if _close(theirs, ours):
        order, done = [0, 1, 2], []
    elif _close(theirs[::-1], ours):
        order, done = [2, 1, 0], ["BGR to RGB" if theirs[0] < theirs[2] else "RGB to BGR"]
    else:
        raise ValueError(
            f"pixel_mean: the checkpoint was trained with {theirs}, the model has {ours}"
        )
    scale = [1.0, 1.0, 1.0]
    if checkpoint.pixel_std and model.pixel_std:
        reordered = [checkpoint.pixel_std[channel] for channel in order]
        scale = [mine / other for mine, other in zip(model.pixel_std, reordered, strict=True)]
    if not _close(scale, (1.0, 1.0, 1.0)):
        done.append(f"pixel_std {checkpoint.pixel_std} to {model.pixel_std}")
    if not done:
        return tensors, None
    stem = tensors[STEM][:, order]
    stem = stem * torch.tensor(scale, dtype=stem.dtype)[:, None, None]
    return {**tensors, STEM: stem}, f"folded into the stem: {', '.join(done)}"


def _reach(module: object, *names: str) -> Any:
    for name in names:
        module = getattr(module, name, None)
    return module


def _three(tensor: Tensor | None) -> tuple[float, float, float] | None:
    return None if tensor is None else tuple(tensor.flatten().tolist())


def _stride_in_1x1(backbone: nn.Module) -> bool | None:
    stage = getattr(backbone, "res3", None)
    if stage is None or not hasattr(stage[0], "conv3"):
        return None
    return stage[0].conv1.stride[0] == 2


def _close(left, right) -> bool:
    return all(abs(a - b) < TOLERANCE for a, b in zip(left, right, strict=True))
