"""Deformable-DETR, box refinement, two-stage, 50 epochs: 48.2 AP on COCO as published in detrex."""

from aligndetr.config import get_config

from .deformable_detr_r50_50ep import dataloader, lr_multiplier, train

model = get_config("models/deformable_detr_two_stage_r50.py").model
optimizer = get_config("common/optim.py").adamw

optimizer.params.lr_factor = {"backbone": 0.1, "sampling_offsets": 0.1}
train.output_dir = "./output/deformable_detr_r50_two_stage_50ep"
