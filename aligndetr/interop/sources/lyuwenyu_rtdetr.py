"""lyuwenyu/RT-DETR: its detectors, and the ResNet-D backbones they start from."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from torch import Tensor

from aligndetr.interop.names import Pair, with_prefix
from aligndetr.interop.sources.fundamentalvision_deformable_detr import ENCODER_LAYER
from aligndetr.interop.sources.source import Source, Traits

CONVOLUTION: list[Pair] = [("conv.weight", "weight"), ("norm.{rest}", "norm.{rest}")]
SEQUENCE: list[Pair] = [("0.weight", "weight"), ("1.{rest}", "norm.{rest}")]
_FUSION: list[Pair] = [
    *with_prefix(CONVOLUTION, "conv{n}.", "conv{n}."),
    *with_prefix(CONVOLUTION, "bottlenecks.{b}.conv{n}.", "blocks.{b}.conv{n}."),
]
CROSS_SCALE: list[Pair] = [
    *with_prefix(CONVOLUTION, "lateral_convs.{i}.", "lateral_convs.{i}."),
    *with_prefix(CONVOLUTION, "downsample_convs.{i}.", "downsample_convs.{i}."),
    *with_prefix(_FUSION, "fpn_blocks.{i}.", "top_down.{i}."),
    *with_prefix(_FUSION, "pan_blocks.{i}.", "bottom_up.{i}."),
]
QUERY_SOURCE: list[Pair] = [
    ("enc_output.0.{rest}", "query_source.memory_proj.{rest}"),
    ("enc_output.1.{rest}", "query_source.memory_norm.{rest}"),
    ("enc_score_head.{rest}", "query_source.class_head.{rest}"),
    ("enc_bbox_head.{rest}", "query_source.box_head.{rest}"),
    ("denoising_class_embed.weight", "denoiser.label_embedding.weight"),
]
_DECODER: list[Pair] = [
    *QUERY_SOURCE,
    *with_prefix(CONVOLUTION, "input_proj.{i}.", "encoder.output_convs.{i}."),
    *with_prefix(ENCODER_LAYER, "decoder.layers.{i}.", "decoder.layers.{i}."),
    ("decoder.layers.{i}.cross_attn.{rest}", "decoder.layers.{i}.cross_attention.{rest}"),
    ("query_pos_head.{rest}", "decoder.position_mlp.{rest}"),
    ("dec_score_head.{rest}", "decoder.class_heads.{rest}"),
    ("dec_bbox_head.{rest}", "decoder.box_heads.{rest}"),
]
LABELS = "denoising_class_embed.weight"
TRAITS = Traits(
    pixel_mean=(0.0, 0.0, 0.0),
    pixel_std=(255.0, 255.0, 255.0),
    stride_in_1x1=False,
    inverse_sigmoid_eps=1e-5,
)


def _resnet() -> list[Pair]:
    pairs = with_prefix(CONVOLUTION, "conv1.conv1_{n}.", "stem.conv{n}.")
    for stage in range(4):
        theirs, ours = f"res_layers.{stage}.blocks.{{b}}.", f"res{stage + 2}.{{b}}."
        # Where the shortcut pools, its convolution is the second part of a sequence.
        shortcut = "short." if stage == 0 else "short.conv."
        pairs += with_prefix(CONVOLUTION, theirs + shortcut, ours + "shortcut.")
        for number, branch in enumerate("abc", start=1):
            pairs += with_prefix(CONVOLUTION, f"{theirs}branch2{branch}.", f"{ours}conv{number}.")
    return pairs


def _backbone_table(names: Collection[str]) -> Sequence[Pair]:
    return _resnet()


def _table(names: Collection[str]) -> Sequence[Pair]:
    return [
        *with_prefix(_resnet(), "backbone.", "backbone."),
        *with_prefix(SEQUENCE, "encoder.input_proj.{i}.", "neck.convs.{i}."),
        *with_prefix(ENCODER_LAYER, "encoder.encoder.0.layers.{i}.", "encoder.layers.{i}."),
        *with_prefix(CROSS_SCALE, "encoder.", "encoder."),
        *with_prefix(_DECODER, "decoder.", ""),
    ]


def add_padding_label(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """Give the label embedding a last row of zeros, which stands for an unused slot there."""
    return {
        name: value if not name.endswith(LABELS) else _with_zero_row(value)
        for name, value in tensors.items()
    }


def _with_zero_row(rows: Tensor) -> Tensor:
    padded = rows.new_zeros(len(rows) + 1, *rows.shape[1:])
    padded[:-1] = rows
    return padded


SOURCE = Source(
    name="lyuwenyu/RT-DETR",
    markers=("encoder.fpn_blocks.{i}.{rest}", "decoder.dec_score_head.{i}.weight"),
    table=_table,
    ignored=("decoder.anchors", "decoder.valid_mask", "encoder.pos_embed{i}"),
    traits=TRAITS,
    finish=add_padding_label,
)
# Trained with ImageNet's pixel statistics, but used with pixels in [0, 1] by all of RT-DETR.
BACKBONE = Source(
    name="ResNet-D of lyuwenyu/RT-DETR",
    markers=("conv1.conv1_{n}.conv.weight", "res_layers.{i}.blocks.{b}.branch2a.conv.weight"),
    table=_backbone_table,
    backbone_only=True,
)
