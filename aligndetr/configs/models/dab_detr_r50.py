"""DAB-DETR with ResNet-50 and one scale (Liu et al., 2022), as published in detrex."""

from torch.nn import PReLU

from aligndetr.config import LazyCall as L
from aligndetr.layers import share
from aligndetr.layers.attention import SelfAttention
from aligndetr.layers.conditional_attention import (
    ConditionalCrossAttention,
    ConditionalSelfAttention,
    FirstConditionalCrossAttention,
)
from aligndetr.layers.mlp import MLP, FeedForward
from aligndetr.layers.position_embedding import SinePositionEmbedding
from aligndetr.modeling.decoder import DenseDecoderLayer
from aligndetr.modeling.encoder import DenseEncoder, DenseEncoderLayer
from aligndetr.modeling.necks import MapProjection
from aligndetr.modeling.pyramid import FeatureMap
from aligndetr.modeling.queries import LearnedAnchors, ModulatedAnchorPosition

from .dino_r50 import model


def feed_forward():
    """The same in encoder and decoder."""
    return L(FeedForward)(
        embed_dim="${....embed_dim}", feedforward_dim=2048, dropout=0.0, activation=L(PReLU)()
    )


def decoder_layer(cross_attention):
    """A layer of six; only the first has another cross-attention."""
    return L(DenseDecoderLayer)(
        self_attention=L(ConditionalSelfAttention)(
            embed_dim="${....embed_dim}", num_heads=8, dropout=0.0
        ),
        cross_attention=L(cross_attention)(embed_dim="${....embed_dim}", num_heads=8, dropout=0.0),
        ffn=feed_forward(),
        embed_dim="${...embed_dim}",
        dropout=0.0,
    )


model.num_queries = 300
model.backbone.out_features = ["res5"]
model.neck = L(MapProjection)(in_channels={"res5": 2048}, out_channels="${..embed_dim}")
model.pyramid = L(FeatureMap)(
    position_embedding=L(SinePositionEmbedding)(
        num_features=128, temperature=20, normalize=True, offset=0.0
    ),
)
model.encoder = L(DenseEncoder)(
    layer=L(DenseEncoderLayer)(
        self_attention=L(SelfAttention)(embed_dim="${....embed_dim}", num_heads=8, dropout=0.0),
        ffn=feed_forward(),
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
)
model.query_source = L(LearnedAnchors)(num_queries="${..num_queries}", embed_dim="${..embed_dim}")
model.denoiser = None
model.decoder.first_layer = decoder_layer(FirstConditionalCrossAttention)
model.decoder.layer = decoder_layer(ConditionalCrossAttention)
model.decoder.position_mlp = L(ModulatedAnchorPosition)(embed_dim="${...embed_dim}")
model.decoder.heads = share
