"""detrex's DETR."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence

from aligndetr.interop.names import Pair, layers, with_prefix
from aligndetr.interop.sources.detrex_dino import IGNORED, LAYER, SELF_OF_TORCH
from aligndetr.interop.sources.source import IMAGENET, Source, Traits
from aligndetr.interop.sources.torchvision_resnet import RESNET

DENSE_LAYER: list[Pair] = [*LAYER, ("ffns.0.activation.{rest}", "ffn.activation.{rest}")]
_CROSS_OF_TORCH: Pair = ("attentions.1.attn.{rest}", "cross_attention.{rest}")
# One head for all layers: the first name of ours is enough to fill it, all of ours export to it.
SHARED_HEADS: list[Pair] = [
    ("class_embed.{rest}", "decoder.class_heads.0.{rest}"),
    ("class_embed.{rest}", "decoder.class_heads.{i}.{rest}"),
    ("bbox_embed.{rest}", "decoder.box_heads.0.{rest}"),
    ("bbox_embed.{rest}", "decoder.box_heads.{i}.{rest}"),
]
AROUND_DENSE_LAYERS: list[Pair] = [
    ("backbone.{rest}", "backbone.{rest}"),
    ("input_proj.{rest}", "neck.conv.{rest}"),
    ("transformer.decoder.post_norm_layer.{rest}", "decoder.norm.{rest}"),
    *SHARED_HEADS,
]
_BACKBONE_OF_TORCHVISION = with_prefix(RESNET, "backbone.body.", "backbone.")
_TABLE: list[Pair] = [
    *AROUND_DENSE_LAYERS,
    ("query_embed.weight", "query_source.position.weight"),
    *layers([SELF_OF_TORCH, *DENSE_LAYER], [SELF_OF_TORCH, _CROSS_OF_TORCH, *DENSE_LAYER]),
]


def table_of(pairs: Sequence[Pair]) -> Callable[[Collection[str]], Sequence[Pair]]:
    """A table that also knows the backbone's names where the last stage is dilated ("DC5")."""

    def table(names: Collection[str]) -> Sequence[Pair]:
        is_dilated = any(name.startswith("backbone.body.") for name in names)
        return [*_BACKBONE_OF_TORCHVISION, *pairs] if is_dilated else pairs

    return table


SOURCE = Source(
    name="detrex DETR",
    markers=(
        "transformer.encoder.layers.{i}.attentions.0.attn.{rest}",
        "transformer.decoder.layers.{i}.attentions.1.attn.{rest}",
    ),
    table=table_of(_TABLE),
    ignored=IGNORED,
    traits=Traits(**IMAGENET, position_temperature=10000.0, position_offset=0.0, binding=False),
)
