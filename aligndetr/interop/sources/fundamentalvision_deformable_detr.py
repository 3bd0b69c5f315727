"""fundamentalvision/Deformable-DETR."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from torch import Tensor

from aligndetr.interop.names import Pair, count, fits, layers, with_prefix
from aligndetr.interop.sources.detrex_dino import (
    DECODER_LAYERS,
    QUERIES,
    decoder_head_aliases,
    heads,
    query_embedding,
)
from aligndetr.interop.sources.facebook_detr import BACKBONE_NAMES, ENCODER_LAYER
from aligndetr.interop.sources.source import IMAGENET, Source, Traits

# Its norm1 follows the cross-attention and its norm2 the self-attention, which comes first.
_DECODER_LAYER: list[Pair] = [
    ("cross_attn.{rest}", "cross_attention.{rest}"),
    ("norm2.{rest}", "norm1.{rest}"),
    ("norm1.{rest}", "norm2.{rest}"),
    *ENCODER_LAYER,
]
# Name that `mark_appended` gives to the levels that the neck appends to the backbone's.
_APPENDED = "appended_proj"
_CONVOLUTION: list[Pair] = [("0.{rest}", "conv.{rest}"), ("1.{rest}", "norm.{rest}")]
INPUT_PROJECTIONS: list[Pair] = [
    *with_prefix(_CONVOLUTION, "input_proj.{i}.", "neck.convs.{i}."),
    *with_prefix(_CONVOLUTION, _APPENDED + ".{i}.", "neck.extra_convs.{i}."),
]
AROUND_HEADS: list[Pair] = [
    *BACKBONE_NAMES,
    *INPUT_PROJECTIONS,
    ("transformer.level_embed", "pyramid.level_embedding"),
    *with_prefix(QUERIES, "transformer.", "query_source."),
    *layers(ENCODER_LAYER, _DECODER_LAYER),
]


def mark_appended(tensors: dict[str, Tensor], prefix: str = "") -> dict[str, Tensor]:
    """Tell the neck's two kinds of level apart, which form one list there.

    Backbone levels have 1x1 kernels, the levels appended after them 3x3 ones.
    """
    kernels = [f"{prefix}input_proj.{{i}}.0.weight", f"{prefix}input_proj.{{i}}.{{rest}}"]
    one_by_one = [n for n, t in tensors.items() if fits(n, kernels[0]) and t.shape[-1] == 1]
    first = count(one_by_one, kernels[0])
    marked = {}
    for name, value in tensors.items():
        level = count([name], kernels[1]) - 1
        if level >= first:
            old, new = f"input_proj.{level}.", f"{_APPENDED}.{level - first}."
            name = name.replace(old, new, 1)
        marked[name] = value
    return marked


def _table(names: Collection[str]) -> Sequence[Pair]:
    return [
        query_embedding("query_embed.weight", names),
        *AROUND_HEADS,
        *heads(last=count(names, *DECODER_LAYERS)),
    ]


SOURCE = Source(
    name="fundamentalvision/Deformable-DETR",
    markers=(
        "transformer.encoder.layers.{i}.self_attn.sampling_offsets.weight",
        "input_proj.0.0.weight",
    ),
    table=_table,
    aliases=decoder_head_aliases,
    traits=Traits(
        **IMAGENET,
        stride_in_1x1=False,
        position_temperature=10000.0,
        position_offset=-0.5,
        inverse_sigmoid_eps=1e-5,
        coco_slots=True,
    ),
    prepare=mark_appended,
)
