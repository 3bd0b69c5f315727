"""mmdetection 3: DINO, and AlignDETR built on it."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import torch
from torch import Tensor

from aligndetr.interop.names import Pair, count, fits, layers, with_prefix
from aligndetr.interop.sources.source import IMAGENET, Source, Traits
from aligndetr.interop.sources.torchvision_resnet import RESNET

_LAYER: list[Pair] = [
    ("norms.0.{rest}", "norm1.{rest}"),
    ("norms.1.{rest}", "norm2.{rest}"),
    ("norms.2.{rest}", "norm3.{rest}"),
    ("ffn.layers.0.0.{rest}", "ffn.linear1.{rest}"),
    ("ffn.layers.1.{rest}", "ffn.linear2.{rest}"),
]
_ENCODER_LAYER: list[Pair] = [("self_attn.{rest}", "self_attention.{rest}"), *_LAYER]
_DECODER_LAYER: list[Pair] = [
    ("self_attn.attn.{rest}", "self_attention.{rest}"),
    ("cross_attn.{rest}", "cross_attention.{rest}"),
    *_LAYER,
]
_AROUND_HEADS: list[Pair] = [
    *with_prefix(RESNET, "backbone.", "backbone."),
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
    *layers(_ENCODER_LAYER, _DECODER_LAYER, ""),
]
# The box head is a sequence in which every other entry is an activation.
_BOX_LAYERS: list[Pair] = [(f"{2 * n}.{{rest}}", f"layers.{n}.{{rest}}") for n in range(3)]


def _table(names: Collection[str]) -> Sequence[Pair]:
    last = count(names, "decoder.layers.{i}.{rest}")
    boxes = "bbox_head.reg_branches."
    return [
        *_AROUND_HEADS,
        (f"bbox_head.cls_branches.{last}.{{rest}}", "query_source.class_head.{rest}"),
        *with_prefix(_BOX_LAYERS, f"{boxes}{last}.", "query_source.box_head."),
        ("bbox_head.cls_branches.{i}.{rest}", "decoder.class_heads.{i}.{rest}"),
        *with_prefix(_BOX_LAYERS, f"{boxes}{{i}}.", "decoder.box_heads.{i}."),
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
        **IMAGENET,
        stride_in_1x1=False,
        position_temperature=20.0,
        position_offset=0.0,
        inverse_sigmoid_eps=1e-3,
    ),
    prepare=_zero_neck_biases,
)
