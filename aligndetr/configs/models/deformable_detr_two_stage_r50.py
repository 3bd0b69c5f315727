"""Deformable-DETR with box refinement and queries that the encoder proposes (appendix A.4)."""

from aligndetr.config import LazyCall as L
from aligndetr.layers import repeat
from aligndetr.modeling import BoxHead, ClassHead, IterativeRefinement, ProposedQueries

from .deformable_detr_r50 import model

model.query_source = L(ProposedQueries)(
    class_head=L(ClassHead)(embed_dim="${...embed_dim}", num_classes="${...num_classes}"),
    box_head=L(BoxHead)(embed_dim="${...embed_dim}"),
    num_queries="${..num_queries}",
    embed_dim="${..embed_dim}",
)
model.decoder.refinement = L(IterativeRefinement)(eps=1e-3)
model.decoder.heads = repeat
model.criterion.class_agnostic_proposals = True
