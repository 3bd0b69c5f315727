"""detrex's DAB-Deformable-DETR."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any

from aligndetr.interop.names import Pair
from aligndetr.interop.sources.detrex_dino import BOX_HEADS, CLASS_HEADS
from aligndetr.interop.sources.detrex_dino import SOURCE as DETREX


def _table(names: Collection[str]) -> Sequence[Pair]:
    return [
        ("tgt_embed.weight", "query_source.content.weight"),
        ("refpoint_embed.weight", "query_source.anchors.weight"),
        ("transformer.decoder.query_scale.{rest}", "decoder.position_mlp.scale.{rest}"),
        *DETREX.table(names),
    ]


def _aliases(state: Mapping[str, Any]) -> Sequence[Pair]:
    """The decoder always refines with the box heads; one that proposes has the class heads, too."""
    proposes = "transformer.enc_output.weight" in state
    return [CLASS_HEADS, BOX_HEADS] if proposes else [BOX_HEADS]


SOURCE = replace(
    DETREX,
    name="detrex DAB-Deformable-DETR",
    markers=(
        "transformer.decoder.query_scale.layers.{i}.{rest}",
        "transformer.encoder.layers.{i}.attentions.0.sampling_offsets.{rest}",
    ),
    table=_table,
    aliases=_aliases,
)
