"""The sizes of a detector that its tensors show, and whether two sets of tensors agree on them."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from aligndetr.interop.names import count

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
    "input channels": ("backbone.stem.conv1.weight", 1),
    "backbone width": ("backbone.stem.conv1.weight", 0),
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
    theirs, ours = sizes(checkpoint), sizes(model)
    return [
        f"{size}: {theirs[size]} in the checkpoint, {ours[size]} in the model"
        for size in theirs
        if size in ours and theirs[size] != ours[size]
    ]
