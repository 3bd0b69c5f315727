"""Written the way the official AlignDETR repository writes its model config, other numbers."""

import copy

import torch.nn as nn
from detectron2.config import LazyCall as L
from detectron2.layers import ShapeSpec
from detectron2.modeling.backbone import BasicStem, ResNet
from detrex.layers import PositionEmbeddingSine
from detrex.modeling.neck import ChannelMapper
from projects.aligndetr.modeling import (
    AlignDETR,
    Transformer,
    TransformerDecoder,
    TransformerEncoder,
)

from aligndetr.criterions import AlignDETRCriterion
from aligndetr.matchers import MixedMatcher

layer = {
    "embed_dim": 128,
    "num_heads": 4,
    "feedforward_dim": 256,
    "attn_dropout": 0.0,
    "ffn_dropout": 0.05,
    "num_feature_levels": "${..num_feature_levels}",
}

model = L(AlignDETR)(
    backbone=L(ResNet)(
        stem=L(BasicStem)(in_channels=3, out_channels=64, norm="FrozenBN"),
        stages=L(ResNet.make_default_stages)(depth=101, stride_in_1x1=True, norm="FrozenBN"),
        out_features=["res4", "res5"],
        freeze_at=2,
    ),
    position_embedding=L(PositionEmbeddingSine)(
        num_pos_feats=64, temperature=20, normalize=True, offset=-0.25
    ),
    neck=L(ChannelMapper)(
        input_shapes={"res4": ShapeSpec(channels=1024), "res5": ShapeSpec(channels=2048)},
        in_features=["res4", "res5"],
        out_channels=128,
        num_outs=3,
        kernel_size=1,
        norm_layer=L(nn.GroupNorm)(num_groups=16, num_channels=128),
    ),
    transformer=L(Transformer)(
        encoder=L(TransformerEncoder)(num_layers=2, post_norm=False, **layer),
        decoder=L(TransformerDecoder)(num_layers=3, return_intermediate=True, **layer),
        num_feature_levels=3,
        two_stage_num_proposals="${..num_queries}",
    ),
    embed_dim=128,
    num_classes=11,
    num_queries=123,
    aux_loss=True,
    criterion=L(AlignDETRCriterion)(
        num_classes="${..num_classes}",
        matcher=L(MixedMatcher)(
            cost_class=1.5,
            cost_bbox=4.0,
            cost_giou=3.0,
            cost_class_type="focal_loss_cost",
            alpha=0.35,
            gamma=1.0,
        ),
        weight_dict={
            "loss_class": 1,
            "loss_bbox": 4.5,
            "loss_giou": 3.5,
            "loss_class_dn": 1,
            "loss_bbox_dn": 4.5,
            "loss_giou_dn": 3.5,
        },
        match_num=[1, 1, 1, 1],
        alpha=0.3,
        gamma=1.5,
        tau=0.33,
        two_stage_binary_cls=False,
    ),
    dn_number=77,
    label_noise_ratio=0.4,
    box_noise_scale=0.7,
    pixel_mean=[101.0, 102.0, 103.0],
    pixel_std=[51.0, 52.0, 53.0],
    device="cuda",
    prior_init=0.02,
)

base = copy.deepcopy(model.criterion.weight_dict)
if model.aux_loss:
    more = {f"{name}_enc": weight for name, weight in base.items()}
    for index in range(model.transformer.decoder.num_layers - 1):
        more.update({f"{name}_{index}": weight for name, weight in base.items()})
    weights = model.criterion.weight_dict
    weights.update(more)
    model.criterion.weight_dict = weights
