"""Hugging Face's Deformable DETR, as saved by any version of `transformers`."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import torch
from torch import Tensor

from aligndetr.interop.names import Pair, count, to_ours, to_theirs, with_prefix
from aligndetr.interop.sources.detrex_dino import QUERIES, heads
from aligndetr.interop.sources.fundamentalvision_deformable_detr import (
    INPUT_PROJECTIONS,
    mark_appended,
)
from aligndetr.interop.sources.source import IMAGENET_MEAN, IMAGENET_STD, Source, Traits
from aligndetr.interop.sources.torchvision_resnet import RESNET

FEED_FORWARD: list[Pair] = [
    ("fc1.{rest}", "ffn.linear1.{rest}"),
    ("fc2.{rest}", "ffn.linear2.{rest}"),
    ("mlp.fc1.{rest}", "ffn.linear1.{rest}"),  # since transformers 5
    ("mlp.fc2.{rest}", "ffn.linear2.{rest}"),
]
ENCODER_LAYER: list[Pair] = [
    ("self_attn.{rest}", "self_attention.{rest}"),
    ("self_attn_layer_norm.{rest}", "norm1.{rest}"),
    ("final_layer_norm.{rest}", "norm2.{rest}"),
    *FEED_FORWARD,
]
DECODER_LAYER: list[Pair] = [
    ("self_attn.o_proj.{rest}", "self_attention.out_proj.{rest}"),  # since transformers 5
    ("self_attn.{rest}", "self_attention.{rest}"),
    ("self_attn_layer_norm.{rest}", "norm1.{rest}"),
    ("encoder_attn.{rest}", "cross_attention.{rest}"),
    ("encoder_attn_layer_norm.{rest}", "norm2.{rest}"),
    ("final_layer_norm.{rest}", "norm3.{rest}"),
    *FEED_FORWARD,
]
AROUND_LAYERS: list[Pair] = [
    ("model.level_embed", "pyramid.level_embedding"),
    *with_prefix(QUERIES, "model.", "query_source."),
    ("model.query_position_embeddings.weight", "query_source.embedding.weight"),
]
# Inside a detector the backbone sits at either place, by the version of transformers.
BACKBONES = ("model.backbone.conv_encoder.model.", "model.backbone.model.")
OWN_CONVOLUTION: list[Pair] = [
    ("convolution.weight", "weight"),
    ("normalization.{rest}", "norm.{rest}"),
]
_QUERY, _JOINT = "{head}.self_attn.q_proj.{rest}", "{head}.self_attn.in_proj_{rest}"


def own_resnet() -> list[Pair]:
    """The ResNet of transformers; published files use timm's, which has torchvision's names."""
    pairs = with_prefix(OWN_CONVOLUTION, "embedder.embedder.", "stem.conv1.")
    for stage in range(4):
        theirs, ours = f"encoder.stages.{stage}.layers.{{b}}.", f"res{stage + 2}.{{b}}."
        pairs += with_prefix(OWN_CONVOLUTION, theirs + "shortcut.", ours + "shortcut.")
        for conv in range(3):
            pairs += with_prefix(
                OWN_CONVOLUTION, theirs + f"layer.{conv}.", ours + f"conv{conv + 1}."
            )
    return pairs


def _table(names: Collection[str]) -> Sequence[Pair]:
    layers = count(names, "model.decoder.layers.{i}.{rest}", "decoder.layers.{i}.{rest}")
    backbones = [
        pair
        for prefix in BACKBONES
        for pair in with_prefix([*RESNET, *own_resnet()], prefix, "backbone.")
    ]
    return [
        *backbones,
        *with_prefix(INPUT_PROJECTIONS, "model.", ""),
        *AROUND_LAYERS,
        *with_prefix(ENCODER_LAYER, "model.encoder.layers.{i}.", "encoder.layers.{i}."),
        *with_prefix(DECODER_LAYER, "model.decoder.layers.{i}.", "decoder.layers.{i}."),
        *heads(last=layers),
    ]


def _aliases(names: Collection[str]) -> Sequence[Pair]:
    return [
        ("model.decoder.class_embed.{rest}", "class_embed.{rest}"),
        ("model.decoder.bbox_embed.{rest}", "bbox_embed.{rest}"),
    ]


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


def _prepare(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return mark_appended(stack_projections(tensors), prefix="model.")


SOURCE = Source(
    name="Hugging Face Deformable DETR",
    markers=(
        "model.encoder.layers.{i}.self_attn.sampling_offsets.weight",
        "model.input_proj.0.0.weight",
    ),
    table=_table,
    aliases=_aliases,
    traits=Traits(
        pixel_mean=IMAGENET_MEAN,
        pixel_std=IMAGENET_STD,
        stride_in_1x1=False,
        position_temperature=10000.0,
        position_offset=-0.5,
        inverse_sigmoid_eps=1e-5,
        coco_slots=True,
    ),
    prepare=_prepare,
)
