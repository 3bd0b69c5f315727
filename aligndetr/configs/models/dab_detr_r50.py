"""DAB-DETR with ResNet-50 and one scale (Liu et al., 2022), as published in detrex."""

from torch.nn import LayerNorm, PReLU

from aligndetr.config import LazyCall as L
from aligndetr.criterions import FocalLoss, SetCriterion
from aligndetr.layers.attention import SelfAttention
from aligndetr.layers.conditional_attention import (
    ConditionalCrossAttention,
    ConditionalSelfAttention,
    FirstConditionalCrossAttention,
)
from aligndetr.layers.mlp import MLP, FeedForward
from aligndetr.layers.position_embedding import SinePositionEmbedding
from aligndetr.layers.repeat import share
from aligndetr.matchers import FocalCost, HungarianMatcher, MatchingCost
from aligndetr.modeling.backbone import ResNet
from aligndetr.modeling.decoder import Decoder
from aligndetr.modeling.dense_decoder import DenseDecoderLayer
from aligndetr.modeling.dense_encoder import DenseEncoder, DenseEncoderLayer
from aligndetr.modeling.detector import Detector
from aligndetr.modeling.feature_map import FeatureMap, MapProjection
from aligndetr.modeling.heads import BoxHead, ClassHead
from aligndetr.modeling.learned_anchors import LearnedAnchors
from aligndetr.modeling.postprocess import TopKPostprocess
from aligndetr.modeling.query_position import ModulatedAnchorPosition
from aligndetr.modeling.refinement import LookForwardTwice


def decoder_layer(cross_attention):
    """A layer of six; only the first has another cross-attention."""
    return L(DenseDecoderLayer)(
        self_attention=L(ConditionalSelfAttention)(
            embed_dim="${....embed_dim}", num_heads=8, dropout=0.0
        ),
        cross_attention=L(cross_attention)(embed_dim="${....embed_dim}", num_heads=8, dropout=0.0),
        ffn=L(FeedForward)(
            embed_dim="${....embed_dim}",
            feedforward_dim=2048,
            dropout=0.0,
            activation=L(PReLU)(),
        ),
        embed_dim="${...embed_dim}",
        dropout=0.0,
    )


model = L(Detector)(
    backbone=L(ResNet)(depth=50, norm="FrozenBN", freeze_at=1, out_features=["res5"]),
    neck=L(MapProjection)(in_channels={"res5": 2048}, out_channels="${..embed_dim}"),
    pyramid=L(FeatureMap)(
        position_embedding=L(SinePositionEmbedding)(
            num_features=128, temperature=20, normalize=True, offset=0.0
        ),
    ),
    encoder=L(DenseEncoder)(
        layer=L(DenseEncoderLayer)(
            self_attention=L(SelfAttention)(embed_dim="${....embed_dim}", num_heads=8, dropout=0.0),
            ffn=L(FeedForward)(
                embed_dim="${....embed_dim}",
                feedforward_dim=2048,
                dropout=0.0,
                activation=L(PReLU)(),
            ),
            embed_dim="${...embed_dim}",
            dropout=0.0,
        ),
        num_layers=6,
        position_scale=L(MLP)(
            in_dim="${...embed_dim}",
            hidden_dim="${...embed_dim}",
            out_dim="${...embed_dim}",
            num_layers=2,
        ),
    ),
    query_source=L(LearnedAnchors)(num_queries="${..num_queries}", embed_dim="${..embed_dim}"),
    denoiser=None,
    decoder=L(Decoder)(
        first_layer=decoder_layer(FirstConditionalCrossAttention),
        layer=decoder_layer(ConditionalCrossAttention),
        num_layers=6,
        position_mlp=L(ModulatedAnchorPosition)(embed_dim="${...embed_dim}"),
        refinement=L(LookForwardTwice)(eps=1e-3),
        class_head=L(ClassHead)(
            embed_dim="${...embed_dim}", num_classes="${...num_classes}", prior=0.01
        ),
        box_head=L(BoxHead)(embed_dim="${...embed_dim}"),
        heads=share,
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
        classification=L(FocalLoss)(alpha=0.25, gamma=2.0),
        weights={"class": 1.0, "bbox": 5.0, "giou": 2.0},
    ),
    postprocess=L(TopKPostprocess)(num_select=300),
    num_classes=80,
    num_queries=300,
    embed_dim=256,
    pixel_mean=[123.675, 116.28, 103.53],
    pixel_std=[58.395, 57.12, 57.375],
)
