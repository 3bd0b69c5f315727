"""H-Deformable-DETR with ResNet-50 and four scales (Jia et al., 2023), as published in detrex.

Two-stage Deformable-DETR with a second branch of queries in training, mixed query selection and
boxes that two layers supervise.
"""

from aligndetr.config import LazyCall as L
from aligndetr.criterions import HybridCriterion
from aligndetr.modeling import HybridQueries, LookForwardTwice

from .deformable_detr_r50 import without_dropout
from .deformable_detr_two_stage_r50 import model

without_dropout(model)
model.encoder.layer.ffn.feedforward_dim = 2048
model.decoder.layer.ffn.feedforward_dim = 2048

model.query_source = L(HybridQueries)(
    class_head=model.query_source.class_head,
    box_head=model.query_source.box_head,
    num_queries="${..num_queries}",
    num_one_to_many=1500,
    embed_dim="${..embed_dim}",
)
model.decoder.refinement = L(LookForwardTwice)(eps=1e-3)

model.criterion.weights = {"class": 2.0, "bbox": 5.0, "giou": 2.0}
model.criterion = L(HybridCriterion)(
    one_to_one=model.criterion,
    one_to_many=model.criterion,
    num_queries="${..num_queries}",
    copies=6,
    weight=1.0,
)
