"""DAB-DETR and Align-DAB-DETR under detrex' names."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from aligndetr.interop.names import Pair, with_prefix
from aligndetr.interop.sources.source import IMAGENET_MEAN, IMAGENET_STD, Source, Traits

DENSE_ENCODER_LAYER: list[Pair] = [
    ("attentions.0.attn.{rest}", "self_attention.{rest}"),
    ("norms.0.{rest}", "norm1.{rest}"),
    ("norms.1.{rest}", "norm2.{rest}"),
    ("ffns.0.layers.0.0.{rest}", "ffn.linear1.{rest}"),
    ("ffns.0.layers.1.{rest}", "ffn.linear2.{rest}"),
    ("ffns.0.activation.{rest}", "ffn.activation.{rest}"),
]
DECODER_LAYER: list[Pair] = [
    ("attentions.0.{rest}", "self_attention.{rest}"),
    ("attentions.1.{rest}", "cross_attention.{rest}"),
    ("norms.2.{rest}", "norm3.{rest}"),
    *DENSE_ENCODER_LAYER[1:],
]
# One head for all layers: the first name of ours is enough to fill it, all of ours export to it.
SHARED_HEADS: list[Pair] = [
    ("class_embed.{rest}", "decoder.class_heads.0.{rest}"),
    ("class_embed.{rest}", "decoder.class_heads.{i}.{rest}"),
    ("bbox_embed.{rest}", "decoder.box_heads.0.{rest}"),
    ("bbox_embed.{rest}", "decoder.box_heads.{i}.{rest}"),
]
AROUND_LAYERS: list[Pair] = [
    ("backbone.{rest}", "backbone.{rest}"),
    ("input_proj.{rest}", "neck.conv.{rest}"),
    ("anchor_box_embed.weight", "query_source.anchors.weight"),
    ("transformer.encoder.query_scale.{rest}", "encoder.position_scale.{rest}"),
    ("transformer.decoder.query_scale.{rest}", "decoder.position_mlp.scale.{rest}"),
    ("transformer.decoder.ref_anchor_head.{rest}", "decoder.position_mlp.size.{rest}"),
    ("transformer.decoder.ref_point_head.{rest}", "decoder.position_mlp.{rest}"),
    ("transformer.decoder.post_norm_layer.{rest}", "decoder.norm.{rest}"),
]


def _table(names: Collection[str]) -> Sequence[Pair]:
    return [
        *AROUND_LAYERS,
        *with_prefix(DENSE_ENCODER_LAYER, "transformer.encoder.layers.{i}.", "encoder.layers.{i}."),
        *with_prefix(DECODER_LAYER, "transformer.decoder.layers.{i}.", "decoder.layers.{i}."),
        *SHARED_HEADS,
    ]


def _aliases(state: Mapping[str, Any]) -> Sequence[Pair]:
    """The decoder refines with the box head, and activations with weights are listed twice."""
    return [
        ("transformer.decoder.bbox_embed.{rest}", "bbox_embed.{rest}"),
        ("{layer}.ffns.0.layers.0.1.{rest}", "{layer}.ffns.0.activation.{rest}"),
    ]


SOURCE = Source(
    name="detrex DAB-DETR or official Align-DAB-DETR",
    markers=("transformer.encoder.layers.{i}.attentions.0.{rest}", "anchor_box_embed.weight"),
    table=_table,
    aliases=_aliases,
    ignored=("pixel_mean", "pixel_std", "criterion.{rest}"),
    traits=Traits(
        pixel_mean=IMAGENET_MEAN,
        pixel_std=IMAGENET_STD,
        position_temperature=20.0,
        position_offset=0.0,
        inverse_sigmoid_eps=1e-3,
        binding=False,
    ),
)
