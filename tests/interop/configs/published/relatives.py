"""DINO's relatives as detrex writes them: one set of odd numbers, the classes of each project."""

from detectron2.config import LazyCall as L
from detectron2.layers import ShapeSpec
from detectron2.modeling.backbone import BasicStem, ResNet
from detrex.layers import PositionEmbeddingSine
from detrex.modeling.matcher import HungarianMatcher
from detrex.modeling.neck import ChannelMapper
from projects.dab_deformable_detr.modeling import (
    DabDeformableDETR,
    DabDeformableDetrTransformer,
    DabDeformableDetrTransformerDecoder,
    DabDeformableDetrTransformerEncoder,
    TwoStageCriterion,
)
from projects.deformable_detr.modeling import (
    DeformableCriterion,
    DeformableDETR,
    DeformableDetrTransformer,
    DeformableDetrTransformerDecoder,
    DeformableDetrTransformerEncoder,
)
from projects.h_deformable_detr.modeling import (
    HDeformableDETR,
    HDeformableDetrTransformer,
    HDeformableDetrTransformerDecoder,
    HDeformableDetrTransformerEncoder,
)
from torch import nn


def layers(kind, num_layers, width, **more):
    """An encoder or decoder."""
    return L(kind)(
        embed_dim=64,
        num_heads=4,
        feedforward_dim=width,
        attn_dropout=0.15,
        ffn_dropout=0.05,
        num_layers=num_layers,
        num_feature_levels="${..num_feature_levels}",
        **more,
    )


def detector(kind, transformer, encoder, decoder, criterion, proposals, **more):
    """A whole model."""
    weights = {"loss_class": 1.5, "loss_bbox": 4.5, "loss_giou": 2.5}
    return L(kind)(
        backbone=L(ResNet)(
            stem=L(BasicStem)(in_channels=3, out_channels=64, norm="FrozenBN"),
            stages=L(ResNet.make_default_stages)(depth=101, stride_in_1x1=False, norm="FrozenBN"),
            out_features=["res4", "res5"],
            freeze_at=-1,
        ),
        position_embedding=L(PositionEmbeddingSine)(
            num_pos_feats=32, temperature=30, normalize=True, offset=-0.25
        ),
        neck=L(ChannelMapper)(
            input_shapes={"res4": ShapeSpec(channels=1024), "res5": ShapeSpec(channels=2048)},
            in_features=["res4", "res5"],
            out_channels=64,
            num_outs=3,
            kernel_size=1,
            norm_layer=L(nn.GroupNorm)(num_groups=16, num_channels=64),
        ),
        transformer=L(transformer)(
            encoder=layers(encoder, 1, 80, post_norm=False),
            decoder=layers(decoder, 2, 96, return_intermediate=True),
            as_two_stage="${..as_two_stage}",
            num_feature_levels=3,
            two_stage_num_proposals=proposals,
        ),
        embed_dim=64,
        num_classes=11,
        aux_loss=True,
        as_two_stage=False,
        criterion=L(criterion)(
            num_classes=11,
            matcher=L(HungarianMatcher)(
                cost_class=1.25,
                cost_bbox=3.5,
                cost_giou=2.75,
                cost_class_type="focal_loss_cost",
                alpha=0.35,
                gamma=1.5,
            ),
            weight_dict={
                name + layer: weight
                for name, weight in weights.items()
                for layer in ("", "_0", "_enc")
            },
            loss_class_type="focal_loss",
            alpha=0.3,
            gamma=2.25,
        ),
        pixel_mean=[101.0, 102.0, 103.0],
        pixel_std=[51.0, 52.0, 53.0],
        select_box_nums_for_evaluation=120,
        device="cuda",
        **more,
    )


deformable = detector(
    DeformableDETR,
    DeformableDetrTransformer,
    DeformableDetrTransformerEncoder,
    DeformableDetrTransformerDecoder,
    DeformableCriterion,
    "${..num_queries}",
    num_queries=45,
    with_box_refine=False,
)
dab_deformable = detector(
    DabDeformableDETR,
    DabDeformableDetrTransformer,
    DabDeformableDetrTransformerEncoder,
    DabDeformableDetrTransformerDecoder,
    TwoStageCriterion,
    "${..num_queries}",
    num_queries=45,
)
h_deformable = detector(
    HDeformableDETR,
    HDeformableDetrTransformer,
    HDeformableDetrTransformerEncoder,
    HDeformableDetrTransformerDecoder,
    DeformableCriterion,
    100,
    num_queries_one2one=45,
    num_queries_one2many=55,
    mixed_selection=True,
    k_one2many=3,
    lambda_one2many=0.75,
    with_box_refine=False,
)
h_deformable.transformer.mixed_selection = True
h_deformable.transformer.decoder.look_forward_twice = True
