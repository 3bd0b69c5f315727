"""Hugging Face's RT-DETR, as saved by any version of `transformers`."""

from __future__ import annotations

from torch import Tensor

from aligndetr.interop.names import Pair, with_prefix
from aligndetr.interop.sources.huggingface_detr import (
    CONVOLUTION,
    DECODER_LAYER,
    ENCODER_LAYER,
    STAGES,
    split_projections,
    stack_projections,
)
from aligndetr.interop.sources.lyuwenyu_rtdetr import (
    CROSS_SCALE,
    QUERY_SOURCE,
    SEQUENCE,
    add_padding_label,
)
from aligndetr.interop.sources.lyuwenyu_rtdetr import SOURCE as AUTHORS
from aligndetr.interop.sources.source import Source

_DECODER: list[Pair] = [
    *with_prefix(DECODER_LAYER, "layers.{i}.", "layers.{i}."),
    ("query_pos_head.{rest}", "position_mlp.{rest}"),
    ("class_embed.{rest}", "class_heads.{rest}"),
    ("bbox_embed.{rest}", "box_heads.{rest}"),
]
_STEM = [(f"embedder.embedder.{index}.", f"stem.conv{index + 1}.") for index in range(3)]
_RESNET_D: list[Pair] = [
    *(pair for names in _STEM for pair in with_prefix(CONVOLUTION, *names)),
    *STAGES(("shortcut.", *("shortcut.1.",) * 3)),
]
_TABLE: list[Pair] = [
    *with_prefix(_RESNET_D, "backbone.model.", "backbone."),
    *with_prefix(SEQUENCE, "encoder_input_proj.{i}.", "neck.convs.{i}."),
    *with_prefix(ENCODER_LAYER, "encoder.encoder.0.layers.{i}.", "encoder.layers.{i}."),
    *with_prefix(ENCODER_LAYER, "encoder.aifi.0.layers.{i}.", "encoder.layers.{i}."),
    *with_prefix(CROSS_SCALE, "encoder.", "encoder."),
    *with_prefix(SEQUENCE, "decoder_input_proj.{i}.", "encoder.output_convs.{i}."),
    *QUERY_SOURCE,
    *with_prefix(_DECODER, "decoder.", "decoder."),
]
_HEADS = {"class_embed": "model.decoder.", "bbox_embed": "model.decoder."}


def _prepare(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """Stack projections; older files name the heads at the top level, or there as well."""
    renamed = {_HEADS.get(name.split(".")[0], "") + name: t for name, t in tensors.items()}
    return stack_projections(renamed)


SOURCE = Source(
    name="Hugging Face RT-DETR",
    markers=("model.encoder_input_proj.{i}.0.weight", "model.encoder.fpn_blocks.{i}.{rest}"),
    table=lambda names: with_prefix(_TABLE, "model.", ""),
    ignored=("model.anchors", "model.valid_mask"),
    traits=AUTHORS.traits,
    prepare=_prepare,
    finish=lambda tensors: split_projections(add_padding_label(tensors)),
)
