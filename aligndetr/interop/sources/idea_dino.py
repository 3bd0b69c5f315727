"""IDEA-Research/DINO, which grew from Deformable-DETR."""

from __future__ import annotations

from dataclasses import replace

from aligndetr.interop.names import Pair
from aligndetr.interop.sources.fundamentalvision_deformable_detr import AROUND_HEADS
from aligndetr.interop.sources.fundamentalvision_deformable_detr import SOURCE as DEFORMABLE_DETR

_TABLE: list[Pair] = [
    *AROUND_HEADS,
    ("transformer.tgt_embed.weight", "query_source.content.weight"),
    ("transformer.enc_out_class_embed.{rest}", "query_source.class_head.{rest}"),
    ("transformer.enc_out_bbox_embed.{rest}", "query_source.box_head.{rest}"),
    ("transformer.decoder.norm.{rest}", "decoder.norm.{rest}"),
    ("transformer.decoder.ref_point_head.{rest}", "decoder.position_mlp.{rest}"),
    ("class_embed.{i}.{rest}", "decoder.class_heads.{i}.{rest}"),
    ("bbox_embed.{i}.{rest}", "decoder.box_heads.{i}.{rest}"),
    ("label_enc.weight", "denoiser.label_embedding.weight"),
]
SOURCE = replace(
    DEFORMABLE_DETR,
    name="IDEA-Research/DINO",
    markers=(*DEFORMABLE_DETR.markers, "label_enc.weight"),
    table=lambda names: _TABLE,
    traits=replace(
        DEFORMABLE_DETR.traits,
        position_temperature=20.0,
        position_offset=0.0,
        inverse_sigmoid_eps=1e-3,
    ),
)
