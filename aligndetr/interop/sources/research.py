"""The names of the papers' own code: DETR, Deformable-DETR (which most grew from) and DINO."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import torch
from torch import Tensor

from aligndetr.interop.class_rows import COCO_IDS, COCO_SLOTS
from aligndetr.interop.names import Pair, count, fits, layers, with_prefix
from aligndetr.interop.sources.backbones import RESNET
from aligndetr.interop.sources.detrex import (
    DECODER_LAYERS,
    QUERIES,
    SHARED_HEADS,
    decoder_head_aliases,
    heads,
    query_embedding,
)
from aligndetr.interop.sources.source import IMAGENET, Source, Traits

ENCODER_LAYER: list[Pair] = [
    ("self_attn.{rest}", "self_attention.{rest}"),
    ("linear{n}.{rest}", "ffn.linear{n}.{rest}"),
    ("norm{n}.{rest}", "norm{n}.{rest}"),
]
_BACKBONE = with_prefix(RESNET, "backbone.0.body.", "backbone.")
_DETR: list[Pair] = [
    *_BACKBONE,
    ("input_proj.{rest}", "neck.conv.{rest}"),
    ("query_embed.weight", "query_source.position.weight"),
    ("transformer.decoder.norm.{rest}", "decoder.norm.{rest}"),
    *layers(ENCODER_LAYER, [*ENCODER_LAYER, ("multihead_attn.{rest}", "cross_attention.{rest}")]),
    *SHARED_HEADS,
]


def keep_coco_rows(tensors: dict[str, Tensor], head: str = "class_embed") -> dict[str, Tensor]:
    """Keep the rows of COCO's 80 classes and of "no object", which comes after 91 slots."""
    rows = torch.tensor([*COCO_IDS, COCO_SLOTS])
    kept = dict(tensors)
    for name in (f"{head}.weight", f"{head}.bias"):
        if len(tensors.get(name, ())) == COCO_SLOTS + 1:
            kept[name] = tensors[name].index_select(0, rows)
    return kept


DETR = Source(
    name="facebookresearch/detr",
    markers=(
        "transformer.encoder.layers.{i}.self_attn.in_proj_weight",
        "transformer.decoder.layers.{i}.multihead_attn.in_proj_weight",
        "query_embed.weight",
    ),
    table=lambda names: _DETR,
    traits=Traits(
        **IMAGENET, stride_in_1x1=False, position_temperature=10000.0, position_offset=0.0
    ),
    prepare=keep_coco_rows,
)

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
_DEFORMABLE_DETR: list[Pair] = [
    *_BACKBONE,
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


def _deformable_table(names: Collection[str]) -> Sequence[Pair]:
    return [
        query_embedding("query_embed.weight", names),
        *_DEFORMABLE_DETR,
        *heads(last=count(names, *DECODER_LAYERS)),
    ]


DEFORMABLE_DETR = Source(
    name="fundamentalvision/Deformable-DETR",
    markers=(
        "transformer.encoder.layers.{i}.self_attn.sampling_offsets.weight",
        "input_proj.0.0.weight",
    ),
    table=_deformable_table,
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

_DINO: list[Pair] = [
    *_DEFORMABLE_DETR,
    ("transformer.tgt_embed.weight", "query_source.content.weight"),
    ("transformer.enc_out_class_embed.{rest}", "query_source.class_head.{rest}"),
    ("transformer.enc_out_bbox_embed.{rest}", "query_source.box_head.{rest}"),
    ("transformer.decoder.norm.{rest}", "decoder.norm.{rest}"),
    ("transformer.decoder.ref_point_head.{rest}", "decoder.position_mlp.{rest}"),
    ("class_embed.{i}.{rest}", "decoder.class_heads.{i}.{rest}"),
    ("bbox_embed.{i}.{rest}", "decoder.box_heads.{i}.{rest}"),
    ("label_enc.weight", "denoiser.label_embedding.weight"),
]
DINO = Source(
    name="IDEA-Research/DINO",
    markers=(*DEFORMABLE_DETR.markers, "label_enc.weight"),
    table=lambda names: _DINO,
    aliases=decoder_head_aliases,
    traits=Traits(
        **IMAGENET,
        stride_in_1x1=False,
        position_temperature=20.0,
        position_offset=0.0,
        inverse_sigmoid_eps=1e-3,
        coco_slots=True,
    ),
    prepare=mark_appended,
)
