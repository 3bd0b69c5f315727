"""detrex's DAB-DETR, and the official Align-DAB-DETR, which is built on it."""

from __future__ import annotations

from aligndetr.interop.names import Pair, layers
from aligndetr.interop.sources.detrex_detr import AROUND_DENSE_LAYERS, DENSE_LAYER, table_of
from aligndetr.interop.sources.detrex_dino import BOX_HEADS, CROSS, IGNORED, SELF, SELF_OF_TORCH
from aligndetr.interop.sources.source import IMAGENET, Source, Traits

_TABLE: list[Pair] = [
    *AROUND_DENSE_LAYERS,
    ("anchor_box_embed.weight", "query_source.anchors.weight"),
    ("transformer.encoder.query_scale.{rest}", "encoder.position_scale.{rest}"),
    ("transformer.decoder.query_scale.{rest}", "decoder.position_mlp.scale.{rest}"),
    ("transformer.decoder.ref_anchor_head.{rest}", "decoder.position_mlp.size.{rest}"),
    ("transformer.decoder.ref_point_head.{rest}", "decoder.position_mlp.{rest}"),
    *layers([SELF_OF_TORCH, *DENSE_LAYER], [SELF, CROSS, *DENSE_LAYER]),
]

SOURCE = Source(
    name="detrex DAB-DETR or official Align-DAB-DETR",
    markers=("transformer.encoder.layers.{i}.attentions.0.{rest}", "anchor_box_embed.weight"),
    table=table_of(_TABLE),
    # the decoder refines with the box head, and activations with weights are listed twice
    aliases=lambda state: [
        BOX_HEADS,
        ("{layer}.ffns.0.layers.0.1.{rest}", "{layer}.ffns.0.activation.{rest}"),
    ],
    ignored=IGNORED,
    traits=Traits(
        **IMAGENET,
        position_temperature=20.0,
        position_offset=0.0,
        inverse_sigmoid_eps=1e-3,
        binding=False,
    ),
)
