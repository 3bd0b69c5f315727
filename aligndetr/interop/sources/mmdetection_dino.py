"""mmdetection 3: DINO, and AlignDETR built on it."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import torch
from torch import Tensor

from aligndetr.interop.names import Pair, count, fits, with_prefix
from aligndetr.interop.sources.source import IMAGENET_MEAN, IMAGENET_STD, Source, Traits
from aligndetr.interop.sources.torchvision_resnet import RESNET

FEED_FORWARD: list[Pair] = [
    ("ffn.layers.0.0.{rest}", "ffn.linear1.{rest}"),
    ("ffn.layers.1.{rest}", "ffn.linear2.{rest}"),
]
ENCODER_LAYER: list[Pair] = [
    ("self_attn.{rest}", "self_attention.{rest}"),
    ("norms.0.{rest}", "norm1.{rest}"),
    ("norms.1.{rest}", "norm2.{rest}"),
    *FEED_FORWARD,
]
DECODER_LAYER: list[Pair] = [
    ("self_attn.attn.{rest}", "self_attention.{rest}"),
    ("cross_attn.{rest}", "cross_attention.{rest}"),
    ("norms.0.{rest}", "norm1.{rest}"),
    ("norms.1.{rest}", "norm2.{rest}"),
    ("norms.2.{rest}", "norm3.{rest}"),
    *FEED_FORWARD,
]
AROUND_LAYERS: list[Pair] = [
    ("neck.convs.{i}.conv.{rest}", "neck.convs.{i}.conv.{rest}"),
    ("neck.convs.{i}.gn.{rest}", "neck.convs.{i}.norm.{rest}"),
    ("neck.extra_convs.{i}.conv.{rest}", "neck.extra_convs.{i}.conv.{rest}"),
    ("neck.extra_convs.{i}.gn.{rest}", "neck.extra_convs.{i}.norm.{rest}"),
    ("level_embed", "pyramid.level_embedding"),
    ("memory_trans_fc.{rest}", "query_source.memory_proj.{rest}"),
    ("memory_trans_norm.{rest}", "query_source.memory_norm.{rest}"),
    ("query_embedding.weight", "query_source.content.weight"),
    ("decoder.norm.{rest}", "decoder.norm.{rest}"),
    ("decoder.ref_point_head.{rest}", "decoder.position_mlp.{rest}"),
    ("dn_query_generator.label_embedding.weight", "denoiser.label_embedding.weight"),
]
# The box head is a sequence in which every other entry is an activation.
BOX_LAYERS = ((0, 0), (2, 1), (4, 2))


def _heads(last: int) -> list[Pair]:
    pairs = [(f"bbox_head.cls_branches.{last}.{{rest}}", "query_source.class_head.{rest}")]
    pairs += [
        (
            f"bbox_head.reg_branches.{last}.{m}.{{rest}}",
            f"query_source.box_head.layers.{n}.{{rest}}",
        )
        for m, n in BOX_LAYERS
    ]
    pairs += [("bbox_head.cls_branches.{i}.{rest}", "decoder.class_heads.{i}.{rest}")]
    return pairs + [
        (
            f"bbox_head.reg_branches.{{i}}.{m}.{{rest}}",
            f"decoder.box_heads.{{i}}.layers.{n}.{{rest}}",
        )
        for m, n in BOX_LAYERS
    ]


def _table(names: Collection[str]) -> Sequence[Pair]:
    return [
        *with_prefix(RESNET, "backbone.", "backbone."),
        *AROUND_LAYERS,
        *with_prefix(ENCODER_LAYER, "encoder.layers.{i}.", "encoder.layers.{i}."),
        *with_prefix(DECODER_LAYER, "decoder.layers.{i}.", "decoder.layers.{i}."),
        *_heads(last=count(names, "decoder.layers.{i}.{rest}")),
    ]


def _zero_neck_biases(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """Its neck has no convolution biases where a norm follows; ours has: they are zero."""
    completed = dict(tensors)
    for name, value in tensors.items():
        if fits(name, "neck.{kind}.{i}.conv.weight"):
            completed.setdefault(name.removesuffix("weight") + "bias", torch.zeros(len(value)))
    return completed


SOURCE = Source(
    name="mmdetection DINO or AlignDETR",
    markers=(
        "bbox_head.cls_branches.0.weight",
        "encoder.layers.{i}.self_attn.sampling_offsets.weight",
    ),
    table=_table,
    ignored=("data_preprocessor.{rest}",),
    traits=Traits(
        pixel_mean=IMAGENET_MEAN,
        pixel_std=IMAGENET_STD,
        stride_in_1x1=False,
        position_temperature=20.0,
        position_offset=0.0,
        inverse_sigmoid_eps=1e-3,
    ),
    prepare=_zero_neck_biases,
)
