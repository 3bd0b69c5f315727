"""Hugging Face's DETR, Deformable DETR and RT-DETR, as saved by any version of `transformers`."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import torch
from torch import Tensor

from aligndetr.interop.names import Pair, count, layers, to_ours, to_theirs, with_prefix
from aligndetr.interop.sources.backbones import RESNET
from aligndetr.interop.sources.detrex import QUERIES, heads
from aligndetr.interop.sources.research import INPUT_PROJECTIONS, keep_coco_rows, mark_appended
from aligndetr.interop.sources.rtdetr import (
    CROSS_SCALE,
    QUERY_SOURCE,
    SEQUENCE,
    TRAITS,
    add_padding_label,
)
from aligndetr.interop.sources.source import IMAGENET, Source, Traits, residual_stages

# Older names come first: every version of transformers reads them.
_LAYER: list[Pair] = [
    ("self_attn.out_proj.{rest}", "self_attention.out_proj.{rest}"),
    ("self_attn.o_proj.{rest}", "self_attention.out_proj.{rest}"),
    ("self_attn.{rest}", "self_attention.{rest}"),
    ("self_attn_layer_norm.{rest}", "norm1.{rest}"),
    ("fc1.{rest}", "ffn.linear1.{rest}"),
    ("fc2.{rest}", "ffn.linear2.{rest}"),
    ("mlp.fc1.{rest}", "ffn.linear1.{rest}"),
    ("mlp.fc2.{rest}", "ffn.linear2.{rest}"),
]
_ENCODER_LAYER: list[Pair] = [*_LAYER, ("final_layer_norm.{rest}", "norm2.{rest}")]
_DECODER_LAYER: list[Pair] = [
    *_LAYER,
    ("encoder_attn.{rest}", "cross_attention.{rest}"),
    ("encoder_attn_layer_norm.{rest}", "norm2.{rest}"),
    ("final_layer_norm.{rest}", "norm3.{rest}"),
]
_CONVOLUTION: list[Pair] = [
    ("convolution.weight", "weight"),
    ("normalization.{rest}", "norm.{rest}"),
]
_CONVS, _SHORTCUT = ("layer.0.", "layer.1.", "layer.2."), ("shortcut.",)
_STAGES = "encoder.stages.{}.layers.{{b}}."
# The ResNet of transformers; published files use timm's, which has torchvision's names.
_RESNETS: list[Pair] = [
    *RESNET,
    *with_prefix(_CONVOLUTION, "embedder.embedder.", "stem.conv1."),
    *residual_stages(_CONVOLUTION, _STAGES, _CONVS, _SHORTCUT * 4),
]
# Inside a detector the backbone sits at either place, by the version of transformers.
_BACKBONES: list[Pair] = [
    *with_prefix(_RESNETS, "model.backbone.conv_encoder.model.", "backbone."),
    *with_prefix(_RESNETS, "model.backbone.model.", "backbone."),
]
_QUERY, _JOINT = "{head}.self_attn.q_proj.{rest}", "{head}.self_attn.in_proj_{rest}"


def _stack_projections(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """Join query, key and value projections of self-attention, as torch's attention does."""
    joined = {}
    for name, value in tensors.items():
        joint = to_ours(name, [(_QUERY, _JOINT)])
        if joint:
            parts = [tensors[name.replace("q_proj", f"{part}_proj")] for part in "qkv"]
            joined[joint] = torch.cat(parts)
        elif ".self_attn.k_proj." not in name and ".self_attn.v_proj." not in name:
            joined[name] = value
    return joined


def _split_projections(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """Undo `_stack_projections`."""
    parts = {}
    for name, value in tensors.items():
        query = to_theirs(name, [(_QUERY, _JOINT)])
        if query:
            for part, rows in zip("qkv", value.chunk(3), strict=True):
                parts[query.replace("q_proj", f"{part}_proj")] = rows
        else:
            parts[name] = value
    return parts


# Put in the place of its name, cross-attention is stacked as self-attention is.
_CROSS = "cross.self_attn"
_CROSS_ATTENTION: list[Pair] = [
    (_CROSS + ".o_proj.{rest}", "cross_attention.out_proj.{rest}"),
    (_CROSS + ".{rest}", "cross_attention.{rest}"),
]
_DETR: list[Pair] = [
    *_BACKBONES,
    ("model.input_projection.{rest}", "neck.conv.{rest}"),
    ("model.query_position_embeddings.weight", "query_source.position.weight"),
    ("model.decoder.layernorm.{rest}", "decoder.norm.{rest}"),
    ("class_labels_classifier.{rest}", "decoder.class_heads.0.{rest}"),
    ("bbox_predictor.{rest}", "decoder.box_heads.0.{rest}"),
    *layers(_ENCODER_LAYER, [*_CROSS_ATTENTION, *_DECODER_LAYER], "model."),
]


def _prepare_detr(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    renamed = {n.replace(".encoder_attn.", f".{_CROSS}."): t for n, t in tensors.items()}
    return keep_coco_rows(_stack_projections(renamed), "class_labels_classifier")


DETR = Source(
    name="Hugging Face DETR",
    markers=(
        "model.encoder.layers.{i}.self_attn.q_proj.weight",
        "model.query_position_embeddings.weight",
        "model.input_projection.weight",
    ),
    table=lambda names: _DETR,
    traits=Traits(
        **IMAGENET, stride_in_1x1=False, position_temperature=10000.0, position_offset=0.0
    ),
    prepare=_prepare_detr,
)

_DEFORMABLE_DETR: list[Pair] = [
    *_BACKBONES,
    *with_prefix(INPUT_PROJECTIONS, "model.", ""),
    ("model.level_embed", "pyramid.level_embedding"),
    *with_prefix(QUERIES, "model.", "query_source."),
    ("model.query_position_embeddings.weight", "query_source.embedding.weight"),
    *layers(_ENCODER_LAYER, _DECODER_LAYER, "model."),
]


def _deformable_table(names: Collection[str]) -> Sequence[Pair]:
    last = count(names, "model.decoder.layers.{i}.{rest}", "decoder.layers.{i}.{rest}")
    return [*_DEFORMABLE_DETR, *heads(last)]


DEFORMABLE_DETR = Source(
    name="Hugging Face Deformable DETR",
    markers=(
        "model.encoder.layers.{i}.self_attn.sampling_offsets.weight",
        "model.input_proj.0.0.weight",
    ),
    table=_deformable_table,
    aliases=lambda state: [
        ("model.decoder.class_embed.{rest}", "class_embed.{rest}"),
        ("model.decoder.bbox_embed.{rest}", "bbox_embed.{rest}"),
    ],
    traits=Traits(
        **IMAGENET,
        stride_in_1x1=False,
        position_temperature=10000.0,
        position_offset=-0.5,
        inverse_sigmoid_eps=1e-5,
        coco_slots=True,
    ),
    prepare=lambda tensors: mark_appended(_stack_projections(tensors), prefix="model."),
)

_DECODER: list[Pair] = [
    *with_prefix(_DECODER_LAYER, "layers.{i}.", "layers.{i}."),
    ("query_pos_head.{rest}", "position_mlp.{rest}"),
    ("class_embed.{rest}", "class_heads.{rest}"),
    ("bbox_embed.{rest}", "box_heads.{rest}"),
]
_STEM = [(f"embedder.embedder.{index}.", f"stem.conv{index + 1}.") for index in range(3)]
_RESNET_D: list[Pair] = [
    *(pair for names in _STEM for pair in with_prefix(_CONVOLUTION, *names)),
    *residual_stages(_CONVOLUTION, _STAGES, _CONVS, _SHORTCUT + ("shortcut.1.",) * 3),
]
_RTDETR: list[Pair] = [
    *with_prefix(_RESNET_D, "backbone.model.", "backbone."),
    *with_prefix(SEQUENCE, "encoder_input_proj.{i}.", "neck.convs.{i}."),
    *with_prefix(_ENCODER_LAYER, "encoder.encoder.0.layers.{i}.", "encoder.layers.{i}."),
    *with_prefix(_ENCODER_LAYER, "encoder.aifi.0.layers.{i}.", "encoder.layers.{i}."),
    *with_prefix(CROSS_SCALE, "encoder.", "encoder."),
    *with_prefix(SEQUENCE, "decoder_input_proj.{i}.", "encoder.output_convs.{i}."),
    *QUERY_SOURCE,
    *with_prefix(_DECODER, "decoder.", "decoder."),
]
_HEADS = {"class_embed": "model.decoder.", "bbox_embed": "model.decoder."}


def _prepare_rtdetr(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """Stack projections; older files name the heads at the top level, or there as well."""
    renamed = {_HEADS.get(name.split(".")[0], "") + name: t for name, t in tensors.items()}
    return _stack_projections(renamed)


RTDETR = Source(
    name="Hugging Face RT-DETR",
    markers=("model.encoder_input_proj.{i}.0.weight", "model.encoder.fpn_blocks.{i}.{rest}"),
    table=lambda names: with_prefix(_RTDETR, "model.", ""),
    ignored=("model.anchors", "model.valid_mask"),
    traits=TRAITS,
    prepare=_prepare_rtdetr,
    finish=lambda tensors: _split_projections(add_padding_label(tensors)),
)
