"""detrex's DINO and relatives, and the official AlignDETR, which is built on it."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from aligndetr.interop.names import Pair, count, layers, with_prefix
from aligndetr.interop.sources.microsoft_swin import DERIVED, SWIN, join_qkv, split_qkv
from aligndetr.interop.sources.source import IMAGENET, Source, Traits

LAYER: list[Pair] = [
    ("norms.0.{rest}", "norm1.{rest}"),
    ("norms.1.{rest}", "norm2.{rest}"),
    ("norms.2.{rest}", "norm3.{rest}"),
    ("ffns.0.layers.0.0.{rest}", "ffn.linear1.{rest}"),
    ("ffns.0.layers.1.{rest}", "ffn.linear2.{rest}"),
]
SELF: Pair = ("attentions.0.{rest}", "self_attention.{rest}")
SELF_OF_TORCH: Pair = ("attentions.0.attn.{rest}", "self_attention.{rest}")
CROSS: Pair = ("attentions.1.{rest}", "cross_attention.{rest}")

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
    *layers([SELF, *LAYER], [SELF_OF_TORCH, CROSS, *LAYER]),
]
DECODER_LAYERS = ("transformer.decoder.layers.{i}.{rest}", "decoder.layers.{i}.{rest}")
CLASS_HEADS: Pair = ("transformer.decoder.class_embed.{rest}", "class_embed.{rest}")
BOX_HEADS: Pair = ("transformer.decoder.bbox_embed.{rest}", "bbox_embed.{rest}")


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
    return [CLASS_HEADS, BOX_HEADS]


def _aliases(state: Mapping[str, Any]) -> Sequence[Pair]:
    """A decoder that proposes has all heads, one that refines boxes the box heads, others none.

    With proposals there is one head more than layers; without, only a decoder that refines has
    separate box heads.
    """
    class_heads = ("class_embed.{i}.{rest}", "transformer.decoder.class_embed.{i}.{rest}")
    if count(state, *class_heads) > count(state, *DECODER_LAYERS):
        return [CLASS_HEADS, BOX_HEADS]
    first, second = (state.get(f"bbox_embed.{i}.layers.0.weight") for i in (0, 1))
    refines = second is not None and not _is_one(first, second)
    listed = any(name.startswith("transformer.decoder.bbox_embed.") for name in state)
    return [BOX_HEADS] if refines or listed else []


def _is_one(first: Any, second: Any) -> bool:
    """Tell whether two entries are one tensor, or a copy of it."""
    comparable = isinstance(first, Tensor) and not first.is_meta
    return first is second or (comparable and torch.equal(first, second))


IGNORED = ("pixel_mean", "pixel_std", "criterion.{rest}")
SOURCE = Source(
    name="detrex or official AlignDETR",
    markers=("transformer.encoder.layers.{i}.attentions.0.{rest}",),
    table=_table,
    aliases=_aliases,
    ignored=(*IGNORED, *(f"backbone.{name}" for name in DERIVED)),
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
