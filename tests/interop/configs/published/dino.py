"""Written the way detrex writes DINO; everything in one file, other import spellings."""

import detectron2.data.transforms as T
import torch
import torch.nn as nn
from detectron2.config import LazyCall as L
from detectron2.data import (
    build_detection_test_loader,
    build_detection_train_loader,
    get_detection_dataset_dicts,
)
from detectron2.evaluation import COCOEvaluator
from detectron2.layers import ShapeSpec
from detectron2.modeling import BasicStem, ResNet
from detectron2.solver import WarmupParamScheduler, get_default_optimizer_params
from detrex.data import DetrDatasetMapper
from detrex.layers import PositionEmbeddingSine
from detrex.modeling import ChannelMapper, HungarianMatcher
from fvcore.common.param_scheduler import MultiStepParamScheduler
from projects.dino.modeling import (
    DINO,
    DINOCriterion,
    DINOTransformer,
    DINOTransformerDecoder,
    DINOTransformerEncoder,
)

LOSSES = [f"loss_{term}{dn}" for term in ("class", "bbox", "giou") for dn in ("", "_dn")]
LAYERS = ["", "_enc", "_0"]

model = L(DINO)(
    backbone=L(ResNet)(
        stem=L(BasicStem)(in_channels=3, out_channels=64, norm="FrozenBN"),
        stages=L(ResNet.make_default_stages)(depth=50, stride_in_1x1=False, norm="FrozenBN"),
        out_features=["res3", "res4", "res5"],
        freeze_at=1,
    ),
    position_embedding=L(PositionEmbeddingSine)(
        num_pos_feats=128, temperature=10000, normalize=True, offset=-0.5
    ),
    neck=L(ChannelMapper)(
        input_shapes={
            "res3": ShapeSpec(channels=512),
            "res4": ShapeSpec(channels=1024),
            "res5": ShapeSpec(channels=2048),
        },
        in_features=["res3", "res4", "res5"],
        out_channels=256,
        num_outs=4,
        kernel_size=1,
        norm_layer=L(nn.GroupNorm)(num_groups=32, num_channels=256),
    ),
    transformer=L(DINOTransformer)(
        encoder=L(DINOTransformerEncoder)(
            embed_dim=256,
            num_heads=8,
            feedforward_dim=128,
            attn_dropout=0.0,
            ffn_dropout=0.0,
            num_layers=1,
            num_feature_levels=4,
        ),
        decoder=L(DINOTransformerDecoder)(
            embed_dim=256,
            num_heads=8,
            feedforward_dim=128,
            attn_dropout=0.0,
            ffn_dropout=0.0,
            num_layers=2,
            num_feature_levels=4,
        ),
        num_feature_levels=4,
        two_stage_num_proposals=50,
    ),
    num_classes=9,
    num_queries=50,
    criterion=L(DINOCriterion)(
        num_classes=9,
        matcher=L(HungarianMatcher)(cost_class=2.0, cost_bbox=5.0, cost_giou=2.0),
        weight_dict={
            name + layer: {"class": 1, "bbox": 5.0, "giou": 2.0}[name.split("_")[1]]
            for name in LOSSES
            for layer in LAYERS
        },
        losses=["class", "boxes"],
        loss_class_type="focal_loss",
        alpha=0.25,
        gamma=2.0,
    ),
    dn_number=10,
    pixel_mean=[123.675, 116.28, 103.53],
    pixel_std=[58.395, 57.12, 57.375],
)

dataloader = {
    "train": L(build_detection_train_loader)(
        dataset=L(get_detection_dataset_dicts)(names="coco_2017_train"),
        mapper=L(DetrDatasetMapper)(augmentation=[L(T.RandomFlip)(prob=0.3)], is_train=True),
        total_batch_size=4,
        num_workers=3,
    ),
    "test": L(build_detection_test_loader)(
        dataset=L(get_detection_dataset_dicts)(names="coco_2017_val", filter_empty=False),
        mapper=L(DetrDatasetMapper)(augmentation=[], is_train=False),
    ),
    "evaluator": L(COCOEvaluator)(dataset_name="${..test.dataset.names}"),
}
optimizer = L(torch.optim.AdamW)(
    params=L(get_default_optimizer_params)(base_lr="${..lr}", weight_decay_norm=0.0),
    lr=1e-4,
)
lr_multiplier = L(WarmupParamScheduler)(
    scheduler=L(MultiStepParamScheduler)(values=[1.0, 0.1], milestones=[8, 10]),
    warmup_length=0.1,
    warmup_factor=0.5,
)
