"""DAB-Deformable-DETR whose queries are tokens of the encoder, as published in detrex."""

from aligndetr.config import LazyCall as L
from aligndetr.modeling import BoxHead, ClassHead, TokenQueries

from .dab_deformable_detr_r50 import model

model.query_source = L(TokenQueries)(
    class_head=L(ClassHead)(
        embed_dim="${...embed_dim}", num_classes="${...num_classes}", prior=0.01
    ),
    box_head=L(BoxHead)(embed_dim="${...embed_dim}"),
    num_queries="${..num_queries}",
    embed_dim="${..embed_dim}",
)
