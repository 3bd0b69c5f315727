"""detrex and the official repositories of AlignDETR and Align-DAB-DETR, which are built on it."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from aligndetr.interop.names import Pair, count, layers, with_prefix
from aligndetr.interop.sources.backbones import DERIVED, SWIN, join_qkv, split_qkv
from aligndetr.interop.sources.source import IMAGENET, Source, Traits

_LAYER: list[Pair] = [
    ("norms.0.{rest}", "norm1.{rest}"),
    ("norms.1.{rest}", "norm2.{rest}"),
    ("norms.2.{rest}", "norm3.{rest}"),
    ("ffns.0.layers.0.0.{rest}", "ffn.linear1.{rest}"),
    ("ffns.0.layers.1.{rest}", "ffn.linear2.{rest}"),
]
_DENSE_LAYER: list[Pair] = [*_LAYER, ("ffns.0.activation.{rest}", "ffn.activation.{rest}")]
_SELF: Pair = ("attentions.0.{rest}", "self_attention.{rest}")
_SELF_OF_TORCH: Pair = ("attentions.0.attn.{rest}", "self_attention.{rest}")
_CROSS: Pair = ("attentions.1.{rest}", "cross_attention.{rest}")
_CROSS_OF_TORCH: Pair = ("attentions.1.attn.{rest}", "cross_attention.{rest}")

QUERIES: list[Pair] = [
    ("enc_output.{rest}", "memory_proj.{rest}"),
    ("enc_output_norm.{rest}", "memory_norm.{rest}"),
    ("pos_trans.{rest}", "position_proj.{rest}"),
    ("pos_trans_norm.{rest}", "position_norm.{rest}"),
    ("reference_points.{rest}", "reference_points.{rest}"),
]
_AROUND_LAYERS: list[Pair] = [
    *with_prefix(SWIN, "backbone.", "backbone."),
    ("backbone.{rest}", "backbone.{rest}"),
    ("neck.{rest}", "neck.{rest}"),
    ("transformer.level_embeds", "pyramid.level_embedding"),
    *with_prefix(QUERIES, "transformer.", "query_source."),
    ("transformer.tgt_embed.weight", "query_source.content.weight"),
    ("transformer.decoder.norm.{rest}", "decoder.norm.{rest}"),
    ("transformer.decoder.ref_point_head.{rest}", "decoder.position_mlp.{rest}"),
    ("label_enc.weight", "denoiser.label_embedding.weight"),
    *layers([_SELF, *_LAYER], [_SELF_OF_TORCH, _CROSS, *_LAYER]),
]
DECODER_LAYERS = ("transformer.decoder.layers.{i}.{rest}", "decoder.layers.{i}.{rest}")
_CLASS_HEADS: Pair = ("transformer.decoder.class_embed.{rest}", "class_embed.{rest}")
_BOX_HEADS: Pair = ("transformer.decoder.bbox_embed.{rest}", "bbox_embed.{rest}")


def heads(last: int) -> list[Pair]:
    """The heads: one a decoder layer, and after the last of these the one of the encoder."""
    return [
        (f"class_embed.{last}.{{rest}}", "query_source.class_head.{rest}"),
        (f"bbox_embed.{last}.{{rest}}", "query_source.box_head.{rest}"),
        ("class_embed.{i}.{rest}", "decoder.class_heads.{i}.{rest}"),
        ("bbox_embed.{i}.{rest}", "decoder.box_heads.{i}.{rest}"),
    ]


def query_embedding(theirs: str, names: Collection[str]) -> Pair:
    """Learned content alone where positions come from proposals (H-DETR), else both in one."""
    proposes = {"transformer.pos_trans.weight", "query_source.position_proj.weight"} & set(names)
    return theirs, f"query_source.{'content' if proposes else 'embedding'}.weight"


def _table(names: Collection[str]) -> Sequence[Pair]:
    return [
        query_embedding("query_embedding.weight", names),
        *_AROUND_LAYERS,
        *heads(last=count(names, *DECODER_LAYERS)),
    ]


def decoder_head_aliases(names: Collection[str]) -> Sequence[Pair]:
    """The heads appear a second time below the decoder, which refines and proposes with them."""
    return [_CLASS_HEADS, _BOX_HEADS]


def _aliases(state: Mapping[str, Any]) -> Sequence[Pair]:
    """A decoder that proposes has all heads, one that refines boxes the box heads, others none.

    With proposals there is one head more than layers; without, only a decoder that refines has
    separate box heads.
    """
    class_heads = ("class_embed.{i}.{rest}", "transformer.decoder.class_embed.{i}.{rest}")
    if count(state, *class_heads) > count(state, *DECODER_LAYERS):
        return [_CLASS_HEADS, _BOX_HEADS]
    first, second = (state.get(f"bbox_embed.{i}.layers.0.weight") for i in (0, 1))
    refines = second is not None and not _is_one(first, second)
    listed = any(name.startswith("transformer.decoder.bbox_embed.") for name in state)
    return [_BOX_HEADS] if refines or listed else []


def _is_one(first: Any, second: Any) -> bool:
    """Tell whether two entries are one tensor, or a copy of it."""
    comparable = isinstance(first, Tensor) and not first.is_meta
    return first is second or (comparable and torch.equal(first, second))


_IGNORED = ("pixel_mean", "pixel_std", "criterion.{rest}")
DETREX = Source(
    name="detrex or official AlignDETR",
    markers=("transformer.encoder.layers.{i}.attentions.0.{rest}",),
    table=_table,
    aliases=_aliases,
    ignored=(*_IGNORED, *(f"backbone.{name}" for name in DERIVED)),
    traits=Traits(
        **IMAGENET,
        position_temperature=10000.0,
        position_offset=-0.5,
        inverse_sigmoid_eps=1e-3,
        binding=False,
    ),
    prepare=split_qkv,
    finish=join_qkv,
)


def _dab_deformable_table(names: Collection[str]) -> Sequence[Pair]:
    return [
        ("tgt_embed.weight", "query_source.content.weight"),
        ("refpoint_embed.weight", "query_source.anchors.weight"),
        ("transformer.decoder.query_scale.{rest}", "decoder.position_mlp.scale.{rest}"),
        *_table(names),
    ]


def _dab_deformable_aliases(state: Mapping[str, Any]) -> Sequence[Pair]:
    """The decoder always refines with the box heads; one that proposes has the class heads, too."""
    proposes = "transformer.enc_output.weight" in state
    return [_CLASS_HEADS, _BOX_HEADS] if proposes else [_BOX_HEADS]


DAB_DEFORMABLE_DETR: Source = replace(
    DETREX,
    name="detrex DAB-Deformable-DETR",
    markers=(
        "transformer.decoder.query_scale.layers.{i}.{rest}",
        "transformer.encoder.layers.{i}.attentions.0.sampling_offsets.{rest}",
    ),
    table=_dab_deformable_table,
    aliases=_dab_deformable_aliases,
)

# One head for all layers: the first name of ours is enough to fill it, all of ours export to it.
SHARED_HEADS: list[Pair] = [
    ("class_embed.{rest}", "decoder.class_heads.0.{rest}"),
    ("class_embed.{rest}", "decoder.class_heads.{i}.{rest}"),
    ("bbox_embed.{rest}", "decoder.box_heads.0.{rest}"),
    ("bbox_embed.{rest}", "decoder.box_heads.{i}.{rest}"),
]
_AROUND_DENSE_LAYERS: list[Pair] = [
    ("backbone.{rest}", "backbone.{rest}"),
    ("input_proj.{rest}", "neck.conv.{rest}"),
    ("transformer.decoder.post_norm_layer.{rest}", "decoder.norm.{rest}"),
    *SHARED_HEADS,
]
_DETR: list[Pair] = [
    *_AROUND_DENSE_LAYERS,
    ("query_embed.weight", "query_source.position.weight"),
    *layers([_SELF_OF_TORCH, *_DENSE_LAYER], [_SELF_OF_TORCH, _CROSS_OF_TORCH, *_DENSE_LAYER]),
]
_DAB_DETR: list[Pair] = [
    *_AROUND_DENSE_LAYERS,
    ("anchor_box_embed.weight", "query_source.anchors.weight"),
    ("transformer.encoder.query_scale.{rest}", "encoder.position_scale.{rest}"),
    ("transformer.decoder.query_scale.{rest}", "decoder.position_mlp.scale.{rest}"),
    ("transformer.decoder.ref_anchor_head.{rest}", "decoder.position_mlp.size.{rest}"),
    ("transformer.decoder.ref_point_head.{rest}", "decoder.position_mlp.{rest}"),
    *layers([_SELF_OF_TORCH, *_DENSE_LAYER], [_SELF, _CROSS, *_DENSE_LAYER]),
]

DETR = Source(
    name="detrex DETR",
    markers=(
        "transformer.encoder.layers.{i}.attentions.0.attn.{rest}",
        "transformer.decoder.layers.{i}.attentions.1.attn.{rest}",
    ),
    table=lambda names: _DETR,
    ignored=_IGNORED,
    traits=Traits(**IMAGENET, position_temperature=10000.0, position_offset=0.0, binding=False),
)
DAB_DETR = Source(
    name="detrex DAB-DETR or official Align-DAB-DETR",
    markers=("transformer.encoder.layers.{i}.attentions.0.{rest}", "anchor_box_embed.weight"),
    table=lambda names: _DAB_DETR,
    # the decoder refines with the box head, and activations with weights are listed twice
    aliases=lambda state: [
        _BOX_HEADS,
        ("{layer}.ffns.0.layers.0.1.{rest}", "{layer}.ffns.0.activation.{rest}"),
    ],
    ignored=_IGNORED,
    traits=Traits(
        **IMAGENET,
        position_temperature=20.0,
        position_offset=0.0,
        inverse_sigmoid_eps=1e-3,
        binding=False,
    ),
)

# A parameter of ours that only this model of the family has -> its names in detrex; in order.
_VARIANTS = {
    "query_source.position.weight": DETR,
    "decoder.position_mlp.size.layers.0.weight": DAB_DETR,
    "decoder.position_mlp.scale.layers.0.weight": DAB_DEFORMABLE_DETR,
}


def detrex_source(names: Collection[str]) -> Source:
    """Names in detrex of a model with these parameters."""
    return next((source for name, source in _VARIANTS.items() if name in names), DETREX)
