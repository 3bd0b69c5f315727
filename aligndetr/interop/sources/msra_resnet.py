"""MSRA's ResNets under Caffe2's names: detectron2's `ImageNetPretrained/MSRA/R-50.pkl`."""

from __future__ import annotations

import torch
from torch import Tensor

from aligndetr.interop.names import Pair
from aligndetr.interop.sources.source import IMAGENET_MEAN, Source, Traits

_CAFFE2: list[Pair] = [
    ("conv1_w", "stem.conv1.weight"),
    ("res_conv1_bn_{rest}", "stem.conv1.norm.{rest}"),
]
for _theirs, _ours in (("2a", "conv1"), ("2b", "conv2"), ("2c", "conv3"), ("1", "shortcut")):
    _CAFFE2 += [
        (f"res{{s}}_{{b}}_branch{_theirs}_w", f"res{{s}}.{{b}}.{_ours}.weight"),
        (f"res{{s}}_{{b}}_branch{_theirs}_bn_{{rest}}", f"res{{s}}.{{b}}.{_ours}.norm.{{rest}}"),
    ]


def _complete_norms(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """Give norms the four tensors of a frozen batch norm.

    These files hold only the folded scale and shift: mean 0 and variance 1, the eps included.
    """
    completed = {}
    for name, value in tensors.items():
        if name.endswith("_bn_s"):
            stem = name.removesuffix("s")
            completed[stem + "weight"] = value
            completed[stem + "running_mean"] = torch.zeros_like(value)
            completed[stem + "running_var"] = torch.full_like(value, 1.0 - 1e-5)
        elif name.endswith("_bn_b"):
            completed[name.removesuffix("b") + "bias"] = value
        else:
            completed[name] = value
    return completed


SOURCE = Source(
    name="MSRA ResNet (Caffe2 names)",
    markers=("conv1_w", "res_conv1_bn_s", "res2_0_branch2a_w"),
    table=lambda names: _CAFFE2,
    ignored=("fc{n}_{rest}", "pred_{rest}", "{rest}_momentum", "lr", "conv1_b"),
    traits=Traits(pixel_mean=IMAGENET_MEAN[::-1], pixel_std=(1.0, 1.0, 1.0), stride_in_1x1=True),
    prepare=_complete_norms,
    backbone_only=True,
)
