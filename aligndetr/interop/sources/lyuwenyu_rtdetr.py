"""lyuwenyu/RT-DETR: its detectors, and the ResNet-D backbones they start from."""

from __future__ import annotations

from torch import Tensor

from aligndetr.interop.names import Pair, with_prefix
from aligndetr.interop.sources.facebook_detr import ENCODER_LAYER
from aligndetr.interop.sources.source import Source, Traits, residual_stages

_CONVOLUTION: list[Pair] = [("conv.weight", "weight"), ("norm.{rest}", "norm.{rest}")]
SEQUENCE: list[Pair] = [("0.weight", "weight"), ("1.{rest}", "norm.{rest}")]
_FUSION: list[Pair] = [
    *with_prefix(_CONVOLUTION, "conv{n}.", "conv{n}."),
    *with_prefix(_CONVOLUTION, "bottlenecks.{b}.conv{n}.", "blocks.{b}.conv{n}."),
]
CROSS_SCALE: list[Pair] = [
    *with_prefix(_CONVOLUTION, "lateral_convs.{i}.", "lateral_convs.{i}."),
    *with_prefix(_CONVOLUTION, "downsample_convs.{i}.", "downsample_convs.{i}."),
    *with_prefix(_FUSION, "fpn_blocks.{i}.", "top_down.{i}."),
    *with_prefix(_FUSION, "pan_blocks.{i}.", "bottom_up.{i}."),
]
_LABELS = "denoising_class_embed.weight"
QUERY_SOURCE: list[Pair] = [
    ("enc_output.0.{rest}", "query_source.memory_proj.{rest}"),
    ("enc_output.1.{rest}", "query_source.memory_norm.{rest}"),
    ("enc_score_head.{rest}", "query_source.class_head.{rest}"),
    ("enc_bbox_head.{rest}", "query_source.box_head.{rest}"),
    (_LABELS, "denoiser.label_embedding.weight"),
]
_DECODER: list[Pair] = [
    *QUERY_SOURCE,
    *with_prefix(_CONVOLUTION, "input_proj.{i}.", "encoder.output_convs.{i}."),
    *with_prefix(ENCODER_LAYER, "decoder.layers.{i}.", "decoder.layers.{i}."),
    ("decoder.layers.{i}.cross_attn.{rest}", "decoder.layers.{i}.cross_attention.{rest}"),
    ("query_pos_head.{rest}", "decoder.position_mlp.{rest}"),
    ("dec_score_head.{rest}", "decoder.class_heads.{rest}"),
    ("dec_bbox_head.{rest}", "decoder.box_heads.{rest}"),
]
_RESNET: list[Pair] = [
    *with_prefix(_CONVOLUTION, "conv1.conv1_{n}.", "stem.conv{n}."),
    *residual_stages(
        _CONVOLUTION,
        "res_layers.{}.blocks.{{b}}.",
        convs=("branch2a.", "branch2b.", "branch2c."),
        shortcuts=("short.", "short.conv.", "short.conv.", "short.conv."),
    ),
]
_TABLE: list[Pair] = [
    *with_prefix(_RESNET, "backbone.", "backbone."),
    *with_prefix(SEQUENCE, "encoder.input_proj.{i}.", "neck.convs.{i}."),
    *with_prefix(ENCODER_LAYER, "encoder.encoder.0.layers.{i}.", "encoder.layers.{i}."),
    *with_prefix(CROSS_SCALE, "encoder.", "encoder."),
    *with_prefix(_DECODER, "decoder.", ""),
]


def add_padding_label(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """Give the label embedding a last row of zeros, which stands for an unused slot there."""
    padded = dict(tensors)
    for name, rows in tensors.items():
        if name.endswith(_LABELS):
            padded[name] = rows.new_zeros(len(rows) + 1, *rows.shape[1:])
            padded[name][:-1] = rows
    return padded


SOURCE = Source(
    name="lyuwenyu/RT-DETR",
    markers=("encoder.fpn_blocks.{i}.{rest}", "decoder.dec_score_head.{i}.weight"),
    table=lambda names: _TABLE,
    ignored=("decoder.anchors", "decoder.valid_mask", "encoder.pos_embed{i}"),
    traits=Traits(
        pixel_mean=(0.0, 0.0, 0.0),
        pixel_std=(255.0, 255.0, 255.0),
        stride_in_1x1=False,
        inverse_sigmoid_eps=1e-5,
    ),
    finish=add_padding_label,
)
# Trained with ImageNet's pixel statistics, but used with pixels in [0, 1] by all of RT-DETR.
BACKBONE = Source(
    name="ResNet-D of lyuwenyu/RT-DETR",
    markers=("conv1.conv1_{n}.conv.weight", "res_layers.{i}.blocks.{b}.branch2a.conv.weight"),
    table=lambda names: _RESNET,
    backbone_only=True,
)
