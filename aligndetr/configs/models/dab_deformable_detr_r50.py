"""DAB-Deformable-DETR with ResNet-50 and four scales (Liu et al., 2022), as published in detrex."""

from aligndetr.config import LazyCall as L
from aligndetr.layers import repeat
from aligndetr.modeling import IterativeRefinement, LearnedContentAnchors, ScaledAnchorPosition

from .deformable_detr_r50 import model, without_dropout

without_dropout(model)
model.encoder.layer.ffn.feedforward_dim = 2048
model.decoder.layer.ffn.feedforward_dim = 2048

model.query_source = L(LearnedContentAnchors)(
    num_queries="${..num_queries}", embed_dim="${..embed_dim}"
)
model.decoder.position_mlp = L(ScaledAnchorPosition)(embed_dim="${...embed_dim}")
model.decoder.refinement = L(IterativeRefinement)(eps=1e-3)
model.decoder.heads = repeat
