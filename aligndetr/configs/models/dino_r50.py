"""DINO with ResNet-50 and four scales (Zhang et al., 2022), as published in detrex.

DAB-Deformable-DETR with more queries, which the encoder proposes, denoising in training, and boxes
that two layers supervise.
"""

from torch.nn import LayerNorm

from aligndetr.config import LazyCall as L
from aligndetr.modeling import (
    AnchorPosition,
    ContrastiveDenoiser,
    LookForwardTwice,
    TwoStageQueries,
)

from .dab_deformable_detr_r50 import model

model.num_queries = 900
model.query_source = L(TwoStageQueries)(
    class_head=model.decoder.class_head,
    box_head=model.decoder.box_head,
    num_queries="${..num_queries}",
    embed_dim="${..embed_dim}",
)
model.denoiser = L(ContrastiveDenoiser)(
    num_classes="${..num_classes}",
    embed_dim="${..embed_dim}",
    num_queries=100,
    label_noise_ratio=0.5,
    box_noise_scale=1.0,
)
model.decoder.position_mlp = L(AnchorPosition)(embed_dim="${...embed_dim}")
model.decoder.refinement = L(LookForwardTwice)(eps=1e-3)
model.decoder.first_size_bias = 0.0  # proposals have a size
model.decoder.norm = L(LayerNorm)(normalized_shape="${...embed_dim}")
