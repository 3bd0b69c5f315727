"""torchvision's ResNet classifiers."""

from __future__ import annotations

from aligndetr.interop.names import Pair
from aligndetr.interop.sources.source import IMAGENET, Source, Traits

# torchvision's names, which detectors that use them as backbone repeat.
RESNET: list[Pair] = [
    ("conv1.weight", "stem.conv1.weight"),
    ("bn1.{rest}", "stem.conv1.norm.{rest}"),
]
for _stage in range(1, 5):
    _theirs, _ours = f"layer{_stage}.{{b}}", f"res{_stage + 1}.{{b}}"
    RESNET += [
        (f"{_theirs}.conv{{n}}.weight", f"{_ours}.conv{{n}}.weight"),
        (f"{_theirs}.bn{{n}}.{{rest}}", f"{_ours}.conv{{n}}.norm.{{rest}}"),
        (f"{_theirs}.downsample.0.weight", f"{_ours}.shortcut.weight"),
        (f"{_theirs}.downsample.1.{{rest}}", f"{_ours}.shortcut.norm.{{rest}}"),
    ]

SOURCE = Source(
    name="torchvision ResNet",
    markers=("conv1.weight", "bn1.weight", "layer1.0.conv1.weight"),
    table=lambda names: RESNET,
    ignored=("fc.{rest}",),
    traits=Traits(**IMAGENET, stride_in_1x1=False),
    backbone_only=True,
)
