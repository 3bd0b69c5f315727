"""Building blocks without state of their own kind: boxes, embeddings, attention."""

from aligndetr.layers.attention import CrossAttention, SelfAttention
from aligndetr.layers.conditional_attention import (
    ConditionalCrossAttention,
    ConditionalSelfAttention,
    FirstConditionalCrossAttention,
)
from aligndetr.layers.deformable_attention import MultiScaleDeformableAttention
from aligndetr.layers.mlp import MLP, FeedForward
from aligndetr.layers.position_embedding import (
    LearnedPositionEmbedding,
    PixelSineEmbedding,
    SinePositionEmbedding,
)
from aligndetr.layers.stack import repeat, share

__all__ = [
    "MLP",
    "ConditionalCrossAttention",
    "ConditionalSelfAttention",
    "CrossAttention",
    "FeedForward",
    "FirstConditionalCrossAttention",
    "LearnedPositionEmbedding",
    "MultiScaleDeformableAttention",
    "PixelSineEmbedding",
    "SelfAttention",
    "SinePositionEmbedding",
    "repeat",
    "share",
]
