"""DAB-DETR with ResNet-50 and one scale (Liu et al., 2022), as published in detrex.

DETR whose queries are boxes; losses and heads are those of Deformable-DETR.
"""

from torch.nn import PReLU

from aligndetr.config import LazyCall as L
from aligndetr.layers import (
    MLP,
    ConditionalCrossAttention,
    ConditionalSelfAttention,
    FeedForward,
    FirstConditionalCrossAttention,
)
from aligndetr.modeling import (
    DenseDecoderLayer,
    LearnedAnchors,
    LookForwardTwice,
    ModulatedAnchorPosition,
)

from .deformable_detr_r50 import model as deformable_detr
from .detr_r50 import model


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
model.pyramid.position_embedding.temperature = 20
model.encoder.layer.self_attention.dropout = 0.0
model.encoder.layer.ffn = feed_forward()
model.encoder.position_scale = L(MLP)(
    in_dim="${...embed_dim}", hidden_dim="${...embed_dim}", out_dim="${...embed_dim}", num_layers=2
)
model.query_source = L(LearnedAnchors)(num_queries="${..num_queries}", embed_dim="${..embed_dim}")
model.decoder.first_layer = decoder_layer(FirstConditionalCrossAttention)
model.decoder.layer = decoder_layer(ConditionalCrossAttention)
model.decoder.position_mlp = L(ModulatedAnchorPosition)(embed_dim="${...embed_dim}")
model.decoder.refinement = L(LookForwardTwice)(eps=1e-3)
model.decoder.class_head = deformable_detr.decoder.class_head
model.decoder.box_head = deformable_detr.decoder.box_head
model.criterion = deformable_detr.criterion
model.postprocess = deformable_detr.postprocess
