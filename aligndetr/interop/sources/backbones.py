"""Classifiers whose body becomes a backbone: the ResNets of three origins, and Swin."""

from __future__ import annotations

import torch
from torch import Tensor

from aligndetr.interop.names import Pair, translate, with_prefix
from aligndetr.interop.sources.source import IMAGENET, IMAGENET_MEAN, Source, Traits

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

TORCHVISION = Source(
    name="torchvision ResNet",
    markers=("conv1.weight", "bn1.weight", "layer1.0.conv1.weight"),
    table=lambda names: RESNET,
    ignored=("fc.{rest}",),
    traits=Traits(**IMAGENET, stride_in_1x1=False),
    backbone_only=True,
)
# Which pixel statistics such a file needs depends on its author: see `identify`.
DETECTRON2 = Source(
    name="detectron2 ResNet",
    markers=("stem.conv1.weight", "res2.0.conv1.weight"),
    table=lambda names: [(name, name) for name in ("stem.conv1.{rest}", "res{s}.{rest}")],
    ignored=("stem.fc.{rest}", "fc.{rest}", "linear.{rest}"),
    backbone_only=True,
)

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


# detectron2's `ImageNetPretrained/MSRA/R-50.pkl`
MSRA = Source(
    name="MSRA ResNet (Caffe2 names)",
    markers=("conv1_w", "res_conv1_bn_s", "res2_0_branch2a_w"),
    table=lambda names: _CAFFE2,
    ignored=("fc{n}_{rest}", "pred_{rest}", "{rest}_momentum", "lr", "conv1_b"),
    traits=Traits(pixel_mean=IMAGENET_MEAN[::-1], pixel_std=(1.0, 1.0, 1.0), stride_in_1x1=True),
    prepare=_complete_norms,
    backbone_only=True,
)

_BLOCK: list[Pair] = [
    ("norm1.{rest}", "layernorm_before.{rest}"),
    ("attn.proj.{rest}", "attention.o_proj.{rest}"),
    ("attn.{part}_proj.{rest}", "attention.{part}_proj.{rest}"),  # parts of attn.qkv
    (
        "attn.relative_position_bias_table",
        "attention.relative_position_bias.relative_position_bias_table",
    ),
    ("norm2.{rest}", "layernorm_after.{rest}"),
    ("mlp.{rest}", "mlp.{rest}"),
]
# Under its authors' names, which detectron2 and detrex share. Ours are those of transformers since
# version 5. Both merge 2x2 patches column by column.
SWIN: list[Pair] = [
    ("patch_embed.proj.{rest}", "model.swin.embeddings.patch_embeddings.projection.{rest}"),
    ("patch_embed.norm.{rest}", "model.swin.embeddings.norm.{rest}"),
    *with_prefix(_BLOCK, "layers.{i}.blocks.{b}.", "model.swin.encoder.layers.{i}.blocks.{b}."),
    ("layers.{i}.downsample.{rest}", "model.swin.encoder.layers.{i}.downsample.{rest}"),
    *((f"norm{i}.{{rest}}", f"model.hidden_states_norms.stage{i + 1}.{{rest}}") for i in range(4)),
]
DERIVED = (  # constants that the architecture determines
    "layers.{i}.blocks.{b}.attn.relative_position_index",
    "layers.{i}.blocks.{b}.attn_mask",
)
_FUSED = "{head}.blocks.{b}.attn.qkv.{rest}"
_SPLIT = "{head}.blocks.{b}.attn.PART_proj.{rest}"


def split_qkv(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """Take apart the joint projections to queries, keys and values."""
    parts = {}
    for name, value in tensors.items():
        split = translate(name, _FUSED, _SPLIT)
        if split is None:
            parts[name] = value
        else:
            for part, rows in zip("qkv", value.chunk(3), strict=True):
                parts[split.replace("PART", part)] = rows
    return parts


def join_qkv(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """Undo `split_qkv`."""
    joined = {}
    for name, value in tensors.items():
        fused = translate(name, _SPLIT.replace("PART", "q"), _FUSED)
        if fused:
            names = [name.replace(".attn.q_proj.", f".attn.{part}_proj.") for part in "qkv"]
            joined[fused] = torch.cat([tensors[part] for part in names])
        elif not any(translate(name, _SPLIT.replace("PART", part), _FUSED) for part in "kv"):
            joined[name] = value
    return joined


MICROSOFT_SWIN = Source(
    name="Swin of its authors",
    markers=("patch_embed.proj.weight", "layers.{i}.blocks.{b}.attn.relative_position_bias_table"),
    table=lambda names: SWIN,
    ignored=("head.{rest}", "norm.{rest}", *DERIVED),
    traits=Traits(**IMAGENET),
    prepare=split_qkv,
    finish=join_qkv,
    backbone_only=True,
)
