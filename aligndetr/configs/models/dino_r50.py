"""DINO with ResNet-50 and four scales (Zhang et al., 2022), as published in detrex."""

from torch.nn import LayerNorm

from aligndetr.config import LazyCall as L
from aligndetr.criterions import (
    FocalWeighting,
    OneTarget,
    SetCriterion,
    SigmoidClassification,
)
from aligndetr.layers.attention import SelfAttention
from aligndetr.layers.deformable_attention import MultiScaleDeformableAttention
from aligndetr.layers.mlp import FeedForward
from aligndetr.layers.position_embedding import SinePositionEmbedding
from aligndetr.matchers import FocalCost, HungarianMatcher, MatchingCost
from aligndetr.modeling.backbone import ResNet
from aligndetr.modeling.decoder import Decoder, DecoderLayer
from aligndetr.modeling.denoising import ContrastiveDenoiser
from aligndetr.modeling.detector import Detector
from aligndetr.modeling.encoder import Encoder, EncoderLayer
from aligndetr.modeling.heads import BoxHead, ClassHead
from aligndetr.modeling.necks import ChannelMapper
from aligndetr.modeling.postprocess import TopKPostprocess
from aligndetr.modeling.pyramid import PyramidBuilder
from aligndetr.modeling.queries import AnchorPosition, TwoStageQueries
from aligndetr.modeling.refinement import LookForwardTwice

model = L(Detector)(
    backbone=L(ResNet)(
        depth=50, norm="FrozenBN", freeze_at=1, out_features=["res3", "res4", "res5"]
    ),
    neck=L(ChannelMapper)(
        in_channels={"res3": 512, "res4": 1024, "res5": 2048},
        out_channels="${..embed_dim}",
        num_outs=4,
        kernel_size=1,
        num_groups=32,
    ),
    pyramid=L(PyramidBuilder)(
        position_embedding=L(SinePositionEmbedding)(
            num_features=128, temperature=10000, normalize=True, offset=-0.5
        ),
        num_levels="${..neck.num_outs}",
        embed_dim="${..embed_dim}",
    ),
    encoder=L(Encoder)(
        layer=L(EncoderLayer)(
            self_attention=L(MultiScaleDeformableAttention)(
                embed_dim="${....embed_dim}",
                num_heads=8,
                num_levels="${....neck.num_outs}",
                num_points=4,
            ),
            ffn=L(FeedForward)(embed_dim="${....embed_dim}", feedforward_dim=2048, dropout=0.0),
            embed_dim="${...embed_dim}",
            dropout=0.0,
        ),
        num_layers=6,
    ),
    query_source=L(TwoStageQueries)(
        class_head=L(ClassHead)(
            embed_dim="${...embed_dim}", num_classes="${...num_classes}", prior=0.01
        ),
        box_head=L(BoxHead)(embed_dim="${...embed_dim}"),
        num_queries="${..num_queries}",
        embed_dim="${..embed_dim}",
    ),
    denoiser=L(ContrastiveDenoiser)(
        num_classes="${..num_classes}",
        embed_dim="${..embed_dim}",
        num_queries=100,
        label_noise_ratio=0.2,
        box_noise_scale=1.0,
    ),
    decoder=L(Decoder)(
        layer=L(DecoderLayer)(
            self_attention=L(SelfAttention)(embed_dim="${....embed_dim}", num_heads=8, dropout=0.0),
            cross_attention=L(MultiScaleDeformableAttention)(
                embed_dim="${....embed_dim}",
                num_heads=8,
                num_levels="${....neck.num_outs}",
                num_points=4,
            ),
            ffn=L(FeedForward)(embed_dim="${....embed_dim}", feedforward_dim=2048, dropout=0.0),
            embed_dim="${...embed_dim}",
            dropout=0.0,
        ),
        num_layers=6,
        position_mlp=L(AnchorPosition)(embed_dim="${...embed_dim}"),
        refinement=L(LookForwardTwice)(eps=1e-3),
        class_head=L(ClassHead)(
            embed_dim="${...embed_dim}", num_classes="${...num_classes}", prior=0.01
        ),
        box_head=L(BoxHead)(embed_dim="${...embed_dim}"),
        norm=L(LayerNorm)(normalized_shape="${...embed_dim}"),
    ),
    criterion=L(SetCriterion)(
        matcher=L(HungarianMatcher)(
            cost=L(MatchingCost)(
                class_cost=L(FocalCost)(alpha=0.25, gamma=2.0),
                class_weight=2.0,
                bbox_weight=5.0,
                giou_weight=2.0,
            )
        ),
        classification=L(SigmoidClassification)(
            target=L(OneTarget)(), weighting=L(FocalWeighting)(alpha=0.25, gamma=2.0)
        ),
        weights={"class": 1.0, "bbox": 5.0, "giou": 2.0},
    ),
    postprocess=L(TopKPostprocess)(num_select=300),
    num_classes=80,
    num_queries=900,
    embed_dim=256,
    pixel_mean=[123.675, 116.28, 103.53],
    pixel_std=[58.395, 57.12, 57.375],
)
