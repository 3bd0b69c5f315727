"""H-Deformable-DETR with ResNet-50 and four scales (Jia et al., 2023), as published in detrex."""

from torch.nn import Identity

from aligndetr.config import LazyCall as L
from aligndetr.criterions import HybridCriterion
from aligndetr.modeling.heads import BoxHead, ClassHead
from aligndetr.modeling.queries import HybridQueries

from .dino_r50 import model

model.num_queries = 300
model.query_source = L(HybridQueries)(
    class_head=L(ClassHead)(embed_dim="${...embed_dim}", num_classes="${...num_classes}"),
    box_head=L(BoxHead)(embed_dim="${...embed_dim}"),
    num_queries="${..num_queries}",
    num_one_to_many=1500,
    embed_dim="${..embed_dim}",
)
model.denoiser = None
model.decoder.position_mlp = None  # the queries' own position, in all layers
model.decoder.norm = L(Identity)()

model.criterion.weights = {"class": 2.0, "bbox": 5.0, "giou": 2.0}
model.criterion.class_agnostic_proposals = True
model.criterion = L(HybridCriterion)(
    one_to_one=model.criterion,
    one_to_many=model.criterion,
    num_queries="${..num_queries}",
    copies=6,
    weight=1.0,
)
