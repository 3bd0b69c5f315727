"""fundamentalvision/Deformable-DETR: the names that most research code grew from."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from torch import Tensor

from aligndetr.interop.names import Pair, count, fits, with_prefix
from aligndetr.interop.sources.detrex_dino import (
    DECODER_LAYERS,
    QUERIES,
    decoder_head_aliases,
    heads,
    query_embedding,
)
from aligndetr.interop.sources.source import IMAGENET_MEAN, IMAGENET_STD, Source, Traits
from aligndetr.interop.sources.torchvision_resnet import RESNET

ENCODER_LAYER: list[Pair] = [
    ("self_attn.{rest}", "self_attention.{rest}"),
    ("linear1.{rest}", "ffn.linear1.{rest}"),
    ("linear2.{rest}", "ffn.linear2.{rest}"),
    ("norm{n}.{rest}", "norm{n}.{rest}"),
]
# Its norm1 follows the cross-attention and its norm2 the self-attention, which comes first.
DECODER_LAYER: list[Pair] = [
    ("self_attn.{rest}", "self_attention.{rest}"),
    ("cross_attn.{rest}", "cross_attention.{rest}"),
    ("linear1.{rest}", "ffn.linear1.{rest}"),
    ("linear2.{rest}", "ffn.linear2.{rest}"),
    ("norm2.{rest}", "norm1.{rest}"),
    ("norm1.{rest}", "norm2.{rest}"),
    ("norm3.{rest}", "norm3.{rest}"),
]
AROUND_LAYERS: list[Pair] = [
    ("transformer.level_embed", "pyramid.level_embedding"),
    *with_prefix(QUERIES, "transformer.", "query_source."),
]
# Name that `mark_appended` gives to the levels that the neck appends to the backbone's.
APPENDED = "appended_proj"
CONVOLUTION: list[Pair] = [("0.{rest}", "conv.{rest}"), ("1.{rest}", "norm.{rest}")]
INPUT_PROJECTIONS: list[Pair] = [
    *with_prefix(CONVOLUTION, "input_proj.{i}.", "neck.convs.{i}."),
    *with_prefix(CONVOLUTION, APPENDED + ".{i}.", "neck.extra_convs.{i}."),
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
            old, new = f"input_proj.{level}.", f"{APPENDED}.{level - first}."
            name = name.replace(old, new, 1)
        marked[name] = value
    return marked


def transformer_layers() -> list[Pair]:
    """The layers of encoder and decoder."""
    return [
        *with_prefix(ENCODER_LAYER, "transformer.encoder.layers.{i}.", "encoder.layers.{i}."),
        *with_prefix(DECODER_LAYER, "transformer.decoder.layers.{i}.", "decoder.layers.{i}."),
    ]


def _table(names: Collection[str]) -> Sequence[Pair]:
    return [
        query_embedding("query_embed.weight", names),
        *with_prefix(RESNET, "backbone.0.body.", "backbone."),
        *INPUT_PROJECTIONS,
        *AROUND_LAYERS,
        *transformer_layers(),
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
        pixel_mean=IMAGENET_MEAN,
        pixel_std=IMAGENET_STD,
        stride_in_1x1=False,
        position_temperature=10000.0,
        position_offset=-0.5,
        inverse_sigmoid_eps=1e-5,
        coco_slots=True,
    ),
    prepare=mark_appended,
)
