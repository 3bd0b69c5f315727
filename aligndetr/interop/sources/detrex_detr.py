"""DETR under detrex' names."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from aligndetr.interop.names import Pair, with_prefix
from aligndetr.interop.sources.detrex_dab_detr import DENSE_ENCODER_LAYER, SHARED_HEADS
from aligndetr.interop.sources.source import IMAGENET_MEAN, IMAGENET_STD, Source, Traits

DECODER_LAYER: list[Pair] = [
    ("attentions.1.attn.{rest}", "cross_attention.{rest}"),
    ("norms.2.{rest}", "norm3.{rest}"),
    *DENSE_ENCODER_LAYER,
]
AROUND_LAYERS: list[Pair] = [
    ("backbone.{rest}", "backbone.{rest}"),
    ("input_proj.{rest}", "neck.conv.{rest}"),
    ("query_embed.weight", "query_source.position.weight"),
    ("transformer.decoder.post_norm_layer.{rest}", "decoder.norm.{rest}"),
]


def _table(names: Collection[str]) -> Sequence[Pair]:
    return [
        *AROUND_LAYERS,
        *with_prefix(DENSE_ENCODER_LAYER, "transformer.encoder.layers.{i}.", "encoder.layers.{i}."),
        *with_prefix(DECODER_LAYER, "transformer.decoder.layers.{i}.", "decoder.layers.{i}."),
        *SHARED_HEADS,
    ]


SOURCE = Source(
    name="detrex DETR",
    markers=(
        "transformer.encoder.layers.{i}.attentions.0.attn.{rest}",
        "transformer.decoder.layers.{i}.attentions.1.attn.{rest}",
    ),
    table=_table,
    ignored=("pixel_mean", "pixel_std", "criterion.{rest}"),
    traits=Traits(
        pixel_mean=IMAGENET_MEAN,
        pixel_std=IMAGENET_STD,
        position_temperature=10000.0,
        position_offset=0.0,
        binding=False,
    ),
)
