"""ResNets under detectron2's names, such as `ImageNetPretrained/torchvision/R-50.pkl`."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from aligndetr.interop.names import Pair
from aligndetr.interop.sources.source import Source


def _table(names: Collection[str]) -> Sequence[Pair]:
    return [("stem.conv1.{rest}", "stem.conv1.{rest}"), ("res{s}.{rest}", "res{s}.{rest}")]


# Which pixel statistics such a file needs depends on its author: see `identify`.
SOURCE = Source(
    name="detectron2 ResNet",
    markers=("stem.conv1.weight", "res2.0.conv1.weight"),
    table=_table,
    ignored=("stem.fc.{rest}", "fc.{rest}", "linear.{rest}"),
    backbone_only=True,
)
