"""DETR with ResNet-50 (Carion et al., 2020), as published in detrex."""

from torch.nn import LayerNorm

from aligndetr.config import LazyCall as L
from aligndetr.criterions import NoObjectCrossEntropy, SetCriterion
from aligndetr.layers import (
    MLP,
    CrossAttention,
    FeedForward,
    SelfAttention,
    SinePositionEmbedding,
    share,
)
from aligndetr.matchers import HungarianMatcher, MatchingCost, ProbabilityCost
from aligndetr.modeling import (
    ArgmaxPostprocess,
    Decoder,
    DenseDecoderLayer,
    DenseEncoder,
    DenseEncoderLayer,
    Detector,
    FeatureMap,
    FixedAnchors,
    LearnedPositions,
    MapProjection,
    NoObjectClassHead,
)
from aligndetr.modeling.backbone import ResNet

model = L(Detector)(
    backbone=L(ResNet)(depth=50, norm="FrozenBN", freeze_at=1, out_features=["res5"]),
    neck=L(MapProjection)(in_channels={"res5": 2048}, out_channels="${..embed_dim}"),
    pyramid=L(FeatureMap)(
        position_embedding=L(SinePositionEmbedding)(
            num_features=128, temperature=10000, normalize=True, offset=0.0
        ),
    ),
    encoder=L(DenseEncoder)(
        layer=L(DenseEncoderLayer)(
            self_attention=L(SelfAttention)(embed_dim="${....embed_dim}", num_heads=8, dropout=0.1),
            ffn=L(FeedForward)(embed_dim="${....embed_dim}", feedforward_dim=2048, dropout=0.1),
            embed_dim="${...embed_dim}",
            dropout=0.0,
        ),
        num_layers=6,
    ),
    query_source=L(LearnedPositions)(num_queries="${..num_queries}", embed_dim="${..embed_dim}"),
    denoiser=None,
    decoder=L(Decoder)(
        layer=L(DenseDecoderLayer)(
            self_attention=L(SelfAttention)(embed_dim="${....embed_dim}", num_heads=8, dropout=0.1),
            cross_attention=L(CrossAttention)(
                embed_dim="${....embed_dim}", num_heads=8, dropout=0.1
            ),
            ffn=L(FeedForward)(embed_dim="${....embed_dim}", feedforward_dim=2048, dropout=0.1),
            embed_dim="${...embed_dim}",
            dropout=0.0,
        ),
        num_layers=6,
        position_mlp=None,  # the queries' own position, in all layers
        refinement=L(FixedAnchors)(),  # the middle of the image: boxes are absolute
        class_head=L(NoObjectClassHead)(
            embed_dim="${...embed_dim}", num_classes="${...num_classes}"
        ),
        box_head=L(MLP)(
            in_dim="${...embed_dim}", hidden_dim="${...embed_dim}", out_dim=4, num_layers=3
        ),
        norm=L(LayerNorm)(normalized_shape="${...embed_dim}"),
        heads=share,
    ),
    criterion=L(SetCriterion)(
        matcher=L(HungarianMatcher)(
            cost=L(MatchingCost)(
                class_cost=L(ProbabilityCost)(), class_weight=1.0, bbox_weight=5.0, giou_weight=2.0
            )
        ),
        classification=L(NoObjectCrossEntropy)(no_object_weight=0.1),
        weights={"class": 1.0, "bbox": 5.0, "giou": 2.0},
    ),
    postprocess=L(ArgmaxPostprocess)(),
    num_classes=80,
    num_queries=100,
    embed_dim=256,
    pixel_mean=[123.675, 116.28, 103.53],
    pixel_std=[58.395, 57.12, 57.375],
)
