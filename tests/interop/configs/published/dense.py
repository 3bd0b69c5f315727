"""DETR, DAB-DETR and Align-DAB-DETR as detrex and the official repository write them: odd numbers.

One map of the backbone goes through one convolution; attention is dense.
"""

from detectron2.config import LazyCall as L
from detrex.layers.position_embedding import PositionEmbeddingSine
from detrex.modeling import HungarianMatcher, SetCriterion
from detrex.modeling.backbone import BasicStem, ResNet
from projects.align_dab_detr.modeling import AlignDABDETR
from projects.dab_detr.modeling import (
    DABDETR,
    DabDetrTransformer,
    DabDetrTransformerDecoder,
    DabDetrTransformerEncoder,
)
from projects.detr.modeling import (
    DETR,
    DetrTransformer,
    DetrTransformerDecoder,
    DetrTransformerEncoder,
)
from torch import nn

from aligndetr.criterions import ManyToOneCriterion
from aligndetr.matchers import MixedMatcher


def layers(kind, num_layers, width, **more):
    """An encoder or decoder."""
    return L(kind)(
        embed_dim=64,
        num_heads=4,
        feedforward_dim=width,
        attn_dropout=0.15,
        ffn_dropout=0.05,
        num_layers=num_layers,
        **more,
    )


def costs(kind):
    """A matcher."""
    return L(kind)(
        cost_class=1.25,
        cost_bbox=3.5,
        cost_giou=2.75,
        cost_class_type="focal_loss_cost",
        alpha=0.35,
        gamma=1.5,
    )


def detector(kind, transformer, criterion, **more):
    """A whole model, every layer of which has the weights of the last."""
    weights = {"loss_class": 1.5, "loss_bbox": 4.5, "loss_giou": 2.5}
    criterion.weight_dict = {
        name + layer: weight for name, weight in weights.items() for layer in ("", "_0")
    }
    return L(kind)(
        backbone=L(ResNet)(
            stem=L(BasicStem)(in_channels=3, out_channels=32, norm="BN"),
            stages=L(ResNet.make_default_stages)(depth=18, stride_in_1x1=False, norm="BN"),
            out_features=["res3", "res4"],
            freeze_at=-1,
        ),
        in_features=["res3", "res4"],
        in_channels=128,
        position_embedding=L(PositionEmbeddingSine)(
            num_pos_feats=32, temperature=30, normalize=True
        ),
        transformer=transformer,
        embed_dim=64,
        num_classes=11,
        num_queries=45,
        criterion=criterion,
        aux_loss=True,
        pixel_mean=[101.0, 102.0, 103.0],
        pixel_std=[51.0, 52.0, 53.0],
        device="cuda",
        **more,
    )


def dab(kind, criterion):
    """DAB-DETR with one of two criterions."""
    return detector(
        kind,
        L(DabDetrTransformer)(
            encoder=layers(DabDetrTransformerEncoder, 1, 80, activation=L(nn.PReLU)(init=0.375)),
            decoder=layers(
                DabDetrTransformerDecoder,
                2,
                96,
                activation=L(nn.PReLU)(init=0.125),
                modulate_hw_attn=True,
            ),
        ),
        criterion,
        freeze_anchor_box_centers=True,
        select_box_nums_for_evaluation=120,
    )


detr = detector(
    DETR,
    L(DetrTransformer)(
        encoder=layers(DetrTransformerEncoder, 1, 80, post_norm=False),
        decoder=layers(DetrTransformerDecoder, 2, 96, post_norm=True, return_intermediate=True),
    ),
    L(SetCriterion)(
        num_classes=11,
        matcher=L(HungarianMatcher)(
            cost_class=1.25, cost_bbox=3.5, cost_giou=2.75, cost_class_type="ce_cost"
        ),
        loss_class_type="ce_loss",
        eos_coef=0.2,
    ),
)
dab_detr = dab(
    DABDETR,
    L(SetCriterion)(
        num_classes=11,
        matcher=costs(HungarianMatcher),
        loss_class_type="focal_loss",
        alpha=0.3,
        gamma=2.25,
    ),
)
align_dab_detr = dab(
    AlignDABDETR,
    L(ManyToOneCriterion)(
        num_classes=11,
        matcher=costs(MixedMatcher),
        alpha=0.3,
        gamma=2.25,
        tau=1.75,
        match_number=[1, 3, 1],
    ),
)
