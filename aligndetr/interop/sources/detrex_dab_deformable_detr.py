"""DAB-Deformable-DETR under detrex' names: those of Deformable-DETR and a few of its own."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any

from aligndetr.interop.names import Pair
from aligndetr.interop.sources import detrex_dino
from aligndetr.interop.sources.detrex_dino import BOX_HEADS, CLASS_HEADS
from aligndetr.interop.sources.source import Source

OWN: list[Pair] = [
    ("tgt_embed.weight", "query_source.content.weight"),
    ("refpoint_embed.weight", "query_source.anchors.weight"),
    ("transformer.decoder.query_scale.{rest}", "decoder.position_mlp.scale.{rest}"),
]


def _table(names: Collection[str]) -> Sequence[Pair]:
    return [*OWN, *detrex_dino.SOURCE.table(names)]


def _aliases(state: Mapping[str, Any]) -> Sequence[Pair]:
    """The decoder always refines with the box heads; one that proposes has the class heads, too."""
    proposes = "transformer.enc_output.weight" in state
    return [CLASS_HEADS, BOX_HEADS] if proposes else [BOX_HEADS]


SOURCE: Source = replace(
    detrex_dino.SOURCE,
    name="detrex DAB-Deformable-DETR",
    markers=(
        "transformer.decoder.query_scale.layers.{i}.{rest}",
        "transformer.encoder.layers.{i}.attentions.0.sampling_offsets.{rest}",
    ),
    table=_table,
    aliases=_aliases,
)
