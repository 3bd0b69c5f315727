"""Deformable-DETR, box refinement, two-stage, 50 epochs: 48.2 AP on COCO as published in detrex."""

from aligndetr.config import LazyCall as L
from aligndetr.config import get_config
from aligndetr.modeling.heads import BoxHead, ClassHead
from aligndetr.modeling.queries import ProposedQueries

from .deformable_detr_r50_with_box_refinement_50ep import dataloader, lr_multiplier, model, train

optimizer = get_config("common/optim.py").adamw

model.query_source = L(ProposedQueries)(
    class_head=L(ClassHead)(embed_dim="${...embed_dim}", num_classes="${...num_classes}"),
    box_head=L(BoxHead)(embed_dim="${...embed_dim}"),
    num_queries="${..num_queries}",
    embed_dim="${..embed_dim}",
)
model.criterion.class_agnostic_proposals = True
optimizer.params.lr_factor = {"backbone": 0.1, "sampling_offsets": 0.1}
train.output_dir = "./output/deformable_detr_r50_two_stage_50ep"
