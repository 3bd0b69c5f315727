"""DAB-Deformable-DETR with ResNet-50 and four scales (Liu et al., 2022), as published in detrex."""

from torch.nn import Identity

from aligndetr.config import LazyCall as L
from aligndetr.modeling.queries import LearnedContentAnchors, ScaledAnchorPosition
from aligndetr.modeling.refinement import IterativeRefinement

from .dino_r50 import model

model.num_queries = 300
model.query_source = L(LearnedContentAnchors)(
    num_queries="${..num_queries}", embed_dim="${..embed_dim}"
)
model.denoiser = None
model.decoder.position_mlp = L(ScaledAnchorPosition)(embed_dim="${...embed_dim}")
model.decoder.refinement = L(IterativeRefinement)(eps=1e-3)
model.decoder.norm = L(Identity)()
