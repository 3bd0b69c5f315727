"""detectron2's ResNet classifiers, whose names ours repeat."""

from __future__ import annotations

from aligndetr.interop.sources.source import Source

# Which pixel statistics such a file needs depends on its author: see `identify`.
SOURCE = Source(
    name="detectron2 ResNet",
    markers=("stem.conv1.weight", "res2.0.conv1.weight"),
    table=lambda names: [(name, name) for name in ("stem.conv1.{rest}", "res{s}.{rest}")],
    ignored=("stem.fc.{rest}", "fc.{rest}", "linear.{rest}"),
    backbone_only=True,
)
