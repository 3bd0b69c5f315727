"""Deformable-DETR with ResNet-50 and four scales (Zhu et al., 2021), as published in detrex."""

from torch.nn import Identity

from aligndetr.config import LazyCall as L
from aligndetr.criterions import FocalWeighting, OneTarget, SetCriterion, SigmoidClassification
from aligndetr.layers import (
    FeedForward,
    MultiScaleDeformableAttention,
    SelfAttention,
    SinePositionEmbedding,
    share,
)
from aligndetr.matchers import FocalCost, HungarianMatcher, MatchingCost
from aligndetr.modeling import (
    BoxHead,
    ChannelMapper,
    ClassHead,
    Decoder,
    DecoderLayer,
    Detector,
    Encoder,
    EncoderLayer,
    FixedAnchors,
    LearnedQueries,
    PyramidBuilder,
    TopKPostprocess,
)
from aligndetr.modeling.backbone import ResNet


def deformable_attention():
    """The same in encoder and decoder."""
    return L(MultiScaleDeformableAttention)(
        embed_dim="${....embed_dim}", num_heads=8, num_levels="${....neck.num_outs}", num_points=4
    )


def without_dropout(model):
    """As this model's relatives, and short trainings, have it."""
    for layer in (model.encoder.layer, model.decoder.layer):
        layer.ffn.dropout = 0.0
        layer.dropout = 0.0
    model.decoder.layer.self_attention.dropout = 0.0


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
            self_attention=deformable_attention(),
            ffn=L(FeedForward)(embed_dim="${....embed_dim}", feedforward_dim=1024, dropout=0.1),
            embed_dim="${...embed_dim}",
            dropout=0.1,
        ),
        num_layers=6,
    ),
    query_source=L(LearnedQueries)(num_queries="${..num_queries}", embed_dim="${..embed_dim}"),
    denoiser=None,
    decoder=L(Decoder)(
        layer=L(DecoderLayer)(
            self_attention=L(SelfAttention)(embed_dim="${....embed_dim}", num_heads=8, dropout=0.1),
            cross_attention=deformable_attention(),
            ffn=L(FeedForward)(embed_dim="${....embed_dim}", feedforward_dim=1024, dropout=0.1),
            embed_dim="${...embed_dim}",
            dropout=0.1,
        ),
        num_layers=6,
        position_mlp=None,  # the queries' own position, in all layers
        refinement=L(FixedAnchors)(eps=1e-3),
        class_head=L(ClassHead)(
            embed_dim="${...embed_dim}", num_classes="${...num_classes}", prior=0.01
        ),
        box_head=L(BoxHead)(embed_dim="${...embed_dim}"),
        norm=L(Identity)(),
        heads=share,
        first_size_bias=-2.0,
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
    num_queries=300,
    embed_dim=256,
    pixel_mean=[123.675, 116.28, 103.53],
    pixel_std=[58.395, 57.12, 57.375],
)
