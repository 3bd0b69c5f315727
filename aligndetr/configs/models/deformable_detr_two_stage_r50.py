"""Deformable-DETR with box refinement and queries that the encoder proposes (appendix A.4)."""

from aligndetr.config import LazyCall as L
from aligndetr.layers import repeat
from aligndetr.modeling import IterativeRefinement, ProposedQueries

from .deformable_detr_r50 import model

model.query_source = L(ProposedQueries)(
    class_head=model.decoder.class_head,
    box_head=model.decoder.box_head,
    num_queries="${..num_queries}",
    embed_dim="${..embed_dim}",
)
model.decoder.refinement = L(IterativeRefinement)(eps=1e-3)
model.decoder.heads = repeat
model.decoder.first_size_bias = 0.0  # proposals have a size
model.criterion.class_agnostic_proposals = True
