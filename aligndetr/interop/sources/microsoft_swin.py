"""The Swin classifiers of its authors."""

from __future__ import annotations

import torch
from torch import Tensor

from aligndetr.interop.names import Pair, translate, with_prefix
from aligndetr.interop.sources.source import IMAGENET, Source, Traits

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


SOURCE = Source(
    name="Swin of its authors",
    markers=("patch_embed.proj.weight", "layers.{i}.blocks.{b}.attn.relative_position_bias_table"),
    table=lambda names: SWIN,
    ignored=("head.{rest}", "norm.{rest}", *DERIVED),
    traits=Traits(**IMAGENET),
    prepare=split_qkv,
    finish=join_qkv,
    backbone_only=True,
)
