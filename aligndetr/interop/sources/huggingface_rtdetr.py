"""Hugging Face's RT-DETR, as saved by any version of `transformers`."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from torch import Tensor

from aligndetr.interop.names import Pair, with_prefix
from aligndetr.interop.sources.huggingface_deformable_detr import (
    FEED_FORWARD,
    OWN_CONVOLUTION,
    split_projections,
    stack_projections,
)
from aligndetr.interop.sources.lyuwenyu_rtdetr import (
    CROSS_SCALE,
    QUERY_SOURCE,
    SEQUENCE,
    TRAITS,
    add_padding_label,
)
from aligndetr.interop.sources.source import Source

# Older names come first: every version of transformers reads them.
_LAYER: list[Pair] = [
    ("self_attn.out_proj.{rest}", "self_attention.out_proj.{rest}"),
    ("self_attn.o_proj.{rest}", "self_attention.out_proj.{rest}"),
    ("self_attn.{rest}", "self_attention.{rest}"),
    ("self_attn_layer_norm.{rest}", "norm1.{rest}"),
    *FEED_FORWARD,
]
_ENCODER_LAYER: list[Pair] = [*_LAYER, ("final_layer_norm.{rest}", "norm2.{rest}")]
_DECODER_LAYER: list[Pair] = [
    *_LAYER,
    ("encoder_attn.{rest}", "cross_attention.{rest}"),
    ("encoder_attn_layer_norm.{rest}", "norm2.{rest}"),
    ("final_layer_norm.{rest}", "norm3.{rest}"),
]
_DECODER: list[Pair] = [
    *with_prefix(_DECODER_LAYER, "layers.{i}.", "layers.{i}."),
    ("query_pos_head.{rest}", "position_mlp.{rest}"),
    ("class_embed.{rest}", "class_heads.{rest}"),
    ("bbox_embed.{rest}", "box_heads.{rest}"),
]


def _resnet() -> list[Pair]:
    pairs: list[Pair] = []
    for index in range(3):
        ours = f"stem.conv{index + 1}."
        pairs += with_prefix(OWN_CONVOLUTION, f"embedder.embedder.{index}.", ours)
    for stage in range(4):
        theirs, ours = f"encoder.stages.{stage}.layers.{{b}}.", f"res{stage + 2}.{{b}}."
        # Where the shortcut pools, its convolution is the second part of a sequence.
        shortcut = "shortcut." if stage == 0 else "shortcut.1."
        pairs += with_prefix(OWN_CONVOLUTION, theirs + shortcut, ours + "shortcut.")
        for conv in range(3):
            names = f"{theirs}layer.{conv}.", f"{ours}conv{conv + 1}."
            pairs += with_prefix(OWN_CONVOLUTION, *names)
    return pairs


def _table(names: Collection[str]) -> Sequence[Pair]:
    model: list[Pair] = [
        *with_prefix(_resnet(), "backbone.model.", "backbone."),
        *with_prefix(SEQUENCE, "encoder_input_proj.{i}.", "neck.convs.{i}."),
        *with_prefix(_ENCODER_LAYER, "encoder.encoder.0.layers.{i}.", "encoder.layers.{i}."),
        *with_prefix(_ENCODER_LAYER, "encoder.aifi.0.layers.{i}.", "encoder.layers.{i}."),
        *with_prefix(CROSS_SCALE, "encoder.", "encoder."),
        *with_prefix(SEQUENCE, "decoder_input_proj.{i}.", "encoder.output_convs.{i}."),
        *QUERY_SOURCE,
        *with_prefix(_DECODER, "decoder.", "decoder."),
    ]
    return with_prefix(model, "model.", "")


def _prepare(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """Stack projections; older files name the heads at the top level, or there as well."""
    renamed = {_DECODER_HEADS.get(name.split(".")[0], "") + name: t for name, t in tensors.items()}
    return stack_projections(renamed)


def _finish(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return split_projections(add_padding_label(tensors))


_DECODER_HEADS = {"class_embed": "model.decoder.", "bbox_embed": "model.decoder."}

SOURCE = Source(
    name="Hugging Face RT-DETR",
    markers=("model.encoder_input_proj.{i}.0.weight", "model.encoder.fpn_blocks.{i}.{rest}"),
    table=_table,
    ignored=("model.anchors", "model.valid_mask"),
    traits=TRAITS,
    prepare=_prepare,
    finish=_finish,
)
