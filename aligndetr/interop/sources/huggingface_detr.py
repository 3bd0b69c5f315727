"""Hugging Face's DETR, as saved by any version of `transformers`."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from torch import Tensor

from aligndetr.interop.names import Pair, with_prefix
from aligndetr.interop.sources.facebook_detr import keep_coco_rows
from aligndetr.interop.sources.huggingface_deformable_detr import (
    BACKBONES,
    FEED_FORWARD,
    own_resnet,
    stack_projections,
)
from aligndetr.interop.sources.source import IMAGENET_MEAN, IMAGENET_STD, Source, Traits
from aligndetr.interop.sources.torchvision_resnet import RESNET

# Put in the place of its name, cross-attention is stacked as self-attention is.
_CROSS = "cross.self_attn"
_LAYER: list[Pair] = [
    ("self_attn.o_proj.{rest}", "self_attention.out_proj.{rest}"),  # since transformers 5
    ("self_attn.{rest}", "self_attention.{rest}"),
    ("self_attn_layer_norm.{rest}", "norm1.{rest}"),
    *FEED_FORWARD,
]
_ENCODER_LAYER: list[Pair] = [*_LAYER, ("final_layer_norm.{rest}", "norm2.{rest}")]
_DECODER_LAYER: list[Pair] = [
    *_LAYER,
    (_CROSS + ".o_proj.{rest}", "cross_attention.out_proj.{rest}"),
    (_CROSS + ".{rest}", "cross_attention.{rest}"),
    ("encoder_attn_layer_norm.{rest}", "norm2.{rest}"),
    ("final_layer_norm.{rest}", "norm3.{rest}"),
]
_AROUND_LAYERS: list[Pair] = [
    ("model.input_projection.{rest}", "neck.conv.{rest}"),
    ("model.query_position_embeddings.weight", "query_source.position.weight"),
    ("model.decoder.layernorm.{rest}", "decoder.norm.{rest}"),
    ("class_labels_classifier.{rest}", "decoder.class_heads.0.{rest}"),
    ("bbox_predictor.{rest}", "decoder.box_heads.0.{rest}"),
]


def _table(names: Collection[str]) -> Sequence[Pair]:
    backbones = [
        pair
        for prefix in BACKBONES
        for pair in with_prefix([*RESNET, *own_resnet()], prefix, "backbone.")
    ]
    return [
        *backbones,
        *_AROUND_LAYERS,
        *with_prefix(_ENCODER_LAYER, "model.encoder.layers.{i}.", "encoder.layers.{i}."),
        *with_prefix(_DECODER_LAYER, "model.decoder.layers.{i}.", "decoder.layers.{i}."),
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
    table=_table,
    traits=Traits(
        pixel_mean=IMAGENET_MEAN,
        pixel_std=IMAGENET_STD,
        stride_in_1x1=False,
        position_temperature=10000.0,
        position_offset=0.0,
    ),
    prepare=_prepare,
)
