"""torchvision's ResNets, and their names inside detectors that use them as backbone."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from aligndetr.interop.names import Pair
from aligndetr.interop.sources.source import IMAGENET_MEAN, IMAGENET_STD, Source, Traits

RESNET: list[Pair] = [
    ("conv1.weight", "stem.conv1.weight"),
    ("bn1.{rest}", "stem.conv1.norm.{rest}"),
]
for _layer, _stage in ((1, "res2"), (2, "res3"), (3, "res4"), (4, "res5")):
    _theirs, _ours = f"layer{_layer}.{{b}}", f"{_stage}.{{b}}"
    RESNET += [
        (f"{_theirs}.conv{{n}}.weight", f"{_ours}.conv{{n}}.weight"),
        (f"{_theirs}.bn{{n}}.{{rest}}", f"{_ours}.conv{{n}}.norm.{{rest}}"),
        (f"{_theirs}.downsample.0.weight", f"{_ours}.shortcut.weight"),
        (f"{_theirs}.downsample.1.{{rest}}", f"{_ours}.shortcut.norm.{{rest}}"),
    ]


def _table(names: Collection[str]) -> Sequence[Pair]:
    return RESNET


SOURCE = Source(
    name="torchvision ResNet",
    markers=("conv1.weight", "bn1.weight", "layer1.0.conv1.weight"),
    table=_table,
    ignored=("fc.{rest}",),
    traits=Traits(pixel_mean=IMAGENET_MEAN, pixel_std=IMAGENET_STD, stride_in_1x1=False),
    backbone_only=True,
)
