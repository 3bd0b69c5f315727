"""detrex' DINO and AlignDETR, and the official AlignDETR repository, which uses its names."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from aligndetr.interop.names import Pair, count, with_prefix
from aligndetr.interop.source import IMAGENET_MEAN, IMAGENET_STD, Source, Traits

ENCODER_LAYER: list[Pair] = [
    ("attentions.0.{rest}", "self_attention.{rest}"),
    ("norms.0.{rest}", "norm1.{rest}"),
    ("norms.1.{rest}", "norm2.{rest}"),
    ("ffns.0.layers.0.0.{rest}", "ffn.linear1.{rest}"),
    ("ffns.0.layers.1.{rest}", "ffn.linear2.{rest}"),
]
DECODER_LAYER: list[Pair] = [
    ("attentions.0.attn.{rest}", "self_attention.{rest}"),
    ("attentions.1.{rest}", "cross_attention.{rest}"),
    ("norms.0.{rest}", "norm1.{rest}"),
    ("norms.1.{rest}", "norm2.{rest}"),
    ("norms.2.{rest}", "norm3.{rest}"),
    ("ffns.0.layers.0.0.{rest}", "ffn.linear1.{rest}"),
    ("ffns.0.layers.1.{rest}", "ffn.linear2.{rest}"),
]
AROUND_LAYERS: list[Pair] = [
    ("backbone.{rest}", "backbone.{rest}"),
    ("neck.{rest}", "neck.{rest}"),
    ("transformer.level_embeds", "pyramid.level_embedding"),
    ("transformer.enc_output.{rest}", "query_source.memory_proj.{rest}"),
    ("transformer.enc_output_norm.{rest}", "query_source.memory_norm.{rest}"),
    ("transformer.tgt_embed.weight", "query_source.content.weight"),
    ("transformer.decoder.norm.{rest}", "decoder.norm.{rest}"),
    ("transformer.decoder.ref_point_head.{rest}", "decoder.position_mlp.{rest}"),
    ("label_enc.weight", "denoiser.label_embedding.weight"),
]
DECODER_LAYERS = ("transformer.decoder.layers.{i}.{rest}", "decoder.layers.{i}.{rest}")


def heads(last: int) -> list[Pair]:
    """The heads: one a decoder layer, and after the last of these the one of the encoder."""
    return [
        (f"class_embed.{last}.{{rest}}", "query_source.class_head.{rest}"),
        (f"bbox_embed.{last}.{{rest}}", "query_source.box_head.{rest}"),
        ("class_embed.{i}.{rest}", "decoder.class_heads.{i}.{rest}"),
        ("bbox_embed.{i}.{rest}", "decoder.box_heads.{i}.{rest}"),
    ]


def _table(names: Collection[str]) -> Sequence[Pair]:
    return [
        *AROUND_LAYERS,
        *with_prefix(ENCODER_LAYER, "transformer.encoder.layers.{i}.", "encoder.layers.{i}."),
        *with_prefix(DECODER_LAYER, "transformer.decoder.layers.{i}.", "decoder.layers.{i}."),
        *heads(last=count(names, *DECODER_LAYERS)),
    ]


def decoder_head_aliases(names: Collection[str]) -> Sequence[Pair]:
    """The heads appear a second time below the decoder, which refines and proposes with them."""
    return [
        ("transformer.decoder.class_embed.{rest}", "class_embed.{rest}"),
        ("transformer.decoder.bbox_embed.{rest}", "bbox_embed.{rest}"),
    ]


SOURCE = Source(
    name="detrex or official AlignDETR (DINO family)",
    verified=True,
    markers=("transformer.encoder.layers.{i}.attentions.0.{rest}",),
    table=_table,
    aliases=decoder_head_aliases,
    ignored=("pixel_mean", "pixel_std", "criterion.{rest}"),
    traits=Traits(
        pixel_mean=IMAGENET_MEAN,
        pixel_std=IMAGENET_STD,
        position_temperature=10000.0,
        position_offset=-0.5,
        inverse_sigmoid_eps=1e-3,
        binding=False,
    ),
)
