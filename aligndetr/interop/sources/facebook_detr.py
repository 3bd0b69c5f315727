"""facebookresearch/detr."""

from __future__ import annotations

import torch
from torch import Tensor

from aligndetr.interop.class_rows import COCO_IDS, COCO_SLOTS
from aligndetr.interop.names import Pair, layers, with_prefix
from aligndetr.interop.sources.detrex_detr import SHARED_HEADS
from aligndetr.interop.sources.source import IMAGENET, Source, Traits
from aligndetr.interop.sources.torchvision_resnet import RESNET

ENCODER_LAYER: list[Pair] = [
    ("self_attn.{rest}", "self_attention.{rest}"),
    ("linear{n}.{rest}", "ffn.linear{n}.{rest}"),
    ("norm{n}.{rest}", "norm{n}.{rest}"),
]
BACKBONE_NAMES = with_prefix(RESNET, "backbone.0.body.", "backbone.")
_TABLE: list[Pair] = [
    *BACKBONE_NAMES,
    ("input_proj.{rest}", "neck.conv.{rest}"),
    ("query_embed.weight", "query_source.position.weight"),
    ("transformer.decoder.norm.{rest}", "decoder.norm.{rest}"),
    *layers(ENCODER_LAYER, [*ENCODER_LAYER, ("multihead_attn.{rest}", "cross_attention.{rest}")]),
    *SHARED_HEADS,
]


def keep_coco_rows(tensors: dict[str, Tensor], head: str = "class_embed") -> dict[str, Tensor]:
    """Keep the rows of COCO's 80 classes and of "no object", which comes after 91 slots."""
    rows = torch.tensor([*COCO_IDS, COCO_SLOTS])
    kept = dict(tensors)
    for name in (f"{head}.weight", f"{head}.bias"):
        if len(tensors.get(name, ())) == COCO_SLOTS + 1:
            kept[name] = tensors[name].index_select(0, rows)
    return kept


SOURCE = Source(
    name="facebookresearch/detr",
    markers=(
        "transformer.encoder.layers.{i}.self_attn.in_proj_weight",
        "transformer.decoder.layers.{i}.multihead_attn.in_proj_weight",
        "query_embed.weight",
    ),
    table=lambda names: _TABLE,
    traits=Traits(
        **IMAGENET, stride_in_1x1=False, position_temperature=10000.0, position_offset=0.0
    ),
    prepare=keep_coco_rows,
)
