"""Our own checkpoints: names stay as they are."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from aligndetr.interop.names import Pair
from aligndetr.interop.source import Source


def _table(names: Collection[str]) -> Sequence[Pair]:
    return [("{name}", "{name}")]


SOURCE = Source(
    name="aligndetr",
    verified=True,
    markers=("encoder.layers.{i}.self_attention.{rest}", "decoder.layers.{i}.{rest}"),
    table=_table,
)
