"""DETR with ResNet-50 (Carion et al., 2020), as published in detrex."""

from aligndetr.config import LazyCall as L
from aligndetr.criterions import NoObjectCrossEntropy, SetCriterion
from aligndetr.layers.attention import CrossAttention, SelfAttention
from aligndetr.layers.mlp import MLP, FeedForward
from aligndetr.matchers import HungarianMatcher, MatchingCost, ProbabilityCost
from aligndetr.modeling.decoder import DenseDecoderLayer
from aligndetr.modeling.heads import NoObjectClassHead
from aligndetr.modeling.postprocess import ArgmaxPostprocess
from aligndetr.modeling.queries import LearnedPositions
from aligndetr.modeling.refinement import FixedAnchors

from .dab_detr_r50 import model

model.num_queries = 100
model.pyramid.position_embedding.temperature = 10000
model.encoder.position_scale = None
model.encoder.layer.self_attention.dropout = 0.1
model.encoder.layer.ffn = L(FeedForward)(
    embed_dim="${....embed_dim}", feedforward_dim=2048, dropout=0.1
)
model.query_source = L(LearnedPositions)(num_queries="${..num_queries}", embed_dim="${..embed_dim}")
model.decoder.first_layer = None
model.decoder.layer = L(DenseDecoderLayer)(
    self_attention=L(SelfAttention)(embed_dim="${....embed_dim}", num_heads=8, dropout=0.1),
    cross_attention=L(CrossAttention)(embed_dim="${....embed_dim}", num_heads=8, dropout=0.1),
    ffn=L(FeedForward)(embed_dim="${....embed_dim}", feedforward_dim=2048, dropout=0.1),
    embed_dim="${...embed_dim}",
    dropout=0.0,
)
model.decoder.position_mlp = None  # the queries' own position, in all layers
model.decoder.refinement = L(FixedAnchors)()  # the middle of the image: boxes are absolute
model.decoder.class_head = L(NoObjectClassHead)(
    embed_dim="${...embed_dim}", num_classes="${...num_classes}"
)
model.decoder.box_head = L(MLP)(
    in_dim="${...embed_dim}", hidden_dim="${...embed_dim}", out_dim=4, num_layers=3
)
model.criterion = L(SetCriterion)(
    matcher=L(HungarianMatcher)(
        cost=L(MatchingCost)(
            class_cost=L(ProbabilityCost)(), class_weight=1.0, bbox_weight=5.0, giou_weight=2.0
        )
    ),
    classification=L(NoObjectCrossEntropy)(no_object_weight=0.1),
    weights={"class": 1.0, "bbox": 5.0, "giou": 2.0},
)
model.postprocess = L(ArgmaxPostprocess)()
