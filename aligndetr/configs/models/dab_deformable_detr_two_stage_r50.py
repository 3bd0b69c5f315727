"""DAB-Deformable-DETR whose queries are tokens of the encoder, as published in detrex."""

from aligndetr.config import LazyCall as L
from aligndetr.modeling import TokenQueries

from .dab_deformable_detr_r50 import model

model.query_source = L(TokenQueries)(
    class_head=model.decoder.class_head,
    box_head=model.decoder.box_head,
    num_queries="${..num_queries}",
    embed_dim="${..embed_dim}",
)
model.decoder.first_size_bias = 0.0  # proposals have a size
