"""Hugging Face's DETR, as saved by any version of `transformers`."""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor

from aligndetr.interop.names import Pair, layers, to_ours, to_theirs, with_prefix
from aligndetr.interop.sources.facebook_detr import SOURCE as AUTHORS
from aligndetr.interop.sources.facebook_detr import keep_coco_rows
from aligndetr.interop.sources.source import Source, residual_stages
from aligndetr.interop.sources.torchvision_resnet import RESNET

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
ENCODER_LAYER: list[Pair] = [*_LAYER, ("final_layer_norm.{rest}", "norm2.{rest}")]
DECODER_LAYER: list[Pair] = [
    *_LAYER,
    ("encoder_attn.{rest}", "cross_attention.{rest}"),
    ("encoder_attn_layer_norm.{rest}", "norm2.{rest}"),
    ("final_layer_norm.{rest}", "norm3.{rest}"),
]
CONVOLUTION: list[Pair] = [
    ("convolution.weight", "weight"),
    ("normalization.{rest}", "norm.{rest}"),
]
STAGES = partial(
    residual_stages,
    CONVOLUTION,
    "encoder.stages.{}.layers.{{b}}.",
    ("layer.0.", "layer.1.", "layer.2."),
)
# The ResNet of transformers; published files use timm's, which has torchvision's names.
_RESNETS: list[Pair] = [
    *RESNET,
    *with_prefix(CONVOLUTION, "embedder.embedder.", "stem.conv1."),
    *STAGES(("shortcut.",) * 4),
]
# Inside a detector the backbone sits at either place, by the version of transformers.
BACKBONES: list[Pair] = [
    *with_prefix(_RESNETS, "model.backbone.conv_encoder.model.", "backbone."),
    *with_prefix(_RESNETS, "model.backbone.model.", "backbone."),
]
_QUERY, _JOINT = "{head}.self_attn.q_proj.{rest}", "{head}.self_attn.in_proj_{rest}"


def stack_projections(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
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


def split_projections(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """Undo `stack_projections`."""
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
_TABLE: list[Pair] = [
    *BACKBONES,
    ("model.input_projection.{rest}", "neck.conv.{rest}"),
    ("model.query_position_embeddings.weight", "query_source.position.weight"),
    ("model.decoder.layernorm.{rest}", "decoder.norm.{rest}"),
    ("class_labels_classifier.{rest}", "decoder.class_heads.0.{rest}"),
    ("bbox_predictor.{rest}", "decoder.box_heads.0.{rest}"),
    *layers(ENCODER_LAYER, [*_CROSS_ATTENTION, *DECODER_LAYER], "model."),
]


def _prepare(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    renamed = {n.replace(".encoder_attn.", f".{_CROSS}."): t for n, t in tensors.items()}
    return keep_coco_rows(stack_projections(renamed), "class_labels_classifier")


SOURCE = Source(
    name="Hugging Face DETR",
    markers=(
        "model.encoder.layers.{i}.self_attn.q_proj.weight",
        "model.query_position_embeddings.weight",
        "model.input_projection.weight",
    ),
    table=lambda names: _TABLE,
    traits=AUTHORS.traits,
    prepare=_prepare,
)
