"""Hugging Face's Deformable DETR, as saved by any version of `transformers`."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from aligndetr.interop.names import Pair, count, layers, with_prefix
from aligndetr.interop.sources.detrex_dino import QUERIES, heads
from aligndetr.interop.sources.fundamentalvision_deformable_detr import (
    INPUT_PROJECTIONS,
    mark_appended,
)
from aligndetr.interop.sources.fundamentalvision_deformable_detr import SOURCE as AUTHORS
from aligndetr.interop.sources.huggingface_detr import (
    BACKBONES,
    DECODER_LAYER,
    ENCODER_LAYER,
    stack_projections,
)
from aligndetr.interop.sources.source import Source

_AROUND_HEADS: list[Pair] = [
    *BACKBONES,
    *with_prefix(INPUT_PROJECTIONS, "model.", ""),
    ("model.level_embed", "pyramid.level_embedding"),
    *with_prefix(QUERIES, "model.", "query_source."),
    ("model.query_position_embeddings.weight", "query_source.embedding.weight"),
    *layers(ENCODER_LAYER, DECODER_LAYER, "model."),
]


def _table(names: Collection[str]) -> Sequence[Pair]:
    last = count(names, "model.decoder.layers.{i}.{rest}", "decoder.layers.{i}.{rest}")
    return [*_AROUND_HEADS, *heads(last)]


SOURCE = Source(
    name="Hugging Face Deformable DETR",
    markers=(
        "model.encoder.layers.{i}.self_attn.sampling_offsets.weight",
        "model.input_proj.0.0.weight",
    ),
    table=_table,
    aliases=lambda state: [
        ("model.decoder.class_embed.{rest}", "class_embed.{rest}"),
        ("model.decoder.bbox_embed.{rest}", "bbox_embed.{rest}"),
    ],
    traits=AUTHORS.traits,
    prepare=lambda tensors: mark_appended(stack_projections(tensors), prefix="model."),
)
