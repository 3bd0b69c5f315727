"""DAB-Deformable-DETR with ResNet-50 and four scales (Liu et al., 2022), as published in detrex."""

from aligndetr.config import LazyCall as L
from aligndetr.layers import repeat
from aligndetr.modeling import IterativeRefinement, LearnedContentAnchors, ScaledAnchorPosition

from .deformable_detr_r50 import model

for layer in (model.encoder.layer, model.decoder.layer):
    layer.ffn.feedforward_dim = 2048
    layer.ffn.dropout = 0.0
    layer.dropout = 0.0
model.decoder.layer.self_attention.dropout = 0.0

model.query_source = L(LearnedContentAnchors)(
    num_queries="${..num_queries}", embed_dim="${..embed_dim}"
)
model.decoder.position_mlp = L(ScaledAnchorPosition)(embed_dim="${...embed_dim}")
model.decoder.refinement = L(IterativeRefinement)(eps=1e-3)
model.decoder.heads = repeat
