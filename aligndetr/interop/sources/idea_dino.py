"""IDEA-Research/DINO: Deformable-DETR's names plus denoising and learned content."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from aligndetr.interop.names import Pair, with_prefix
from aligndetr.interop.sources.detrex_dino import decoder_head_aliases
from aligndetr.interop.sources.fundamentalvision_deformable_detr import (
    AROUND_LAYERS,
    INPUT_PROJECTIONS,
    mark_appended,
    transformer_layers,
)
from aligndetr.interop.sources.source import IMAGENET_MEAN, IMAGENET_STD, Source, Traits
from aligndetr.interop.sources.torchvision_resnet import RESNET

DINO_ONLY: list[Pair] = [
    ("transformer.tgt_embed.weight", "query_source.content.weight"),
    ("transformer.enc_out_class_embed.{rest}", "query_source.class_head.{rest}"),
    ("transformer.enc_out_bbox_embed.{rest}", "query_source.box_head.{rest}"),
    ("transformer.decoder.norm.{rest}", "decoder.norm.{rest}"),
    ("transformer.decoder.ref_point_head.{rest}", "decoder.position_mlp.{rest}"),
    ("class_embed.{i}.{rest}", "decoder.class_heads.{i}.{rest}"),
    ("bbox_embed.{i}.{rest}", "decoder.box_heads.{i}.{rest}"),
    ("label_enc.weight", "denoiser.label_embedding.weight"),
]


def _table(names: Collection[str]) -> Sequence[Pair]:
    return [
        *with_prefix(RESNET, "backbone.0.body.", "backbone."),
        *INPUT_PROJECTIONS,
        *AROUND_LAYERS,
        *DINO_ONLY,
        *transformer_layers(),
    ]


SOURCE = Source(
    name="IDEA-Research/DINO",
    markers=(
        "transformer.encoder.layers.{i}.self_attn.sampling_offsets.weight",
        "input_proj.0.0.weight",
        "label_enc.weight",
    ),
    table=_table,
    aliases=decoder_head_aliases,
    traits=Traits(
        pixel_mean=IMAGENET_MEAN,
        pixel_std=IMAGENET_STD,
        stride_in_1x1=False,
        position_temperature=20.0,
        position_offset=0.0,
        inverse_sigmoid_eps=1e-3,
        coco_slots=True,
    ),
    prepare=mark_appended,
)
