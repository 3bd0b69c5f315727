"""Deformable-DETR with ResNet-50 and four scales (Zhu et al., 2021), as published in detrex."""

from torch.nn import Identity

from aligndetr.config import LazyCall as L
from aligndetr.layers import share
from aligndetr.modeling.queries import LearnedQueries
from aligndetr.modeling.refinement import FixedAnchors

from .dino_r50 import model

model.num_queries = 300
model.encoder.layer.ffn.feedforward_dim = 1024
model.encoder.layer.ffn.dropout = 0.1
model.encoder.layer.dropout = 0.1
model.query_source = L(LearnedQueries)(num_queries="${..num_queries}", embed_dim="${..embed_dim}")
model.denoiser = None
model.decoder.layer.self_attention.dropout = 0.1
model.decoder.layer.ffn.feedforward_dim = 1024
model.decoder.layer.ffn.dropout = 0.1
model.decoder.layer.dropout = 0.1
model.decoder.position_mlp = None  # the queries' own position, in all layers
model.decoder.refinement = L(FixedAnchors)(eps=1e-3)
model.decoder.heads = share
model.decoder.norm = L(Identity)()
