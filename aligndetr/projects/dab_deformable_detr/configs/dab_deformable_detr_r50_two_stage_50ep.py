"""DAB-Deformable-DETR with two stages, 50 epochs: 49.3 AP on COCO as published in detrex."""

from aligndetr.config import get_config

from .dab_deformable_detr_r50_50ep import dataloader, lr_multiplier, optimizer, train

model = get_config("models/dab_deformable_detr_two_stage_r50.py").model
train.output_dir = "./output/dab_deformable_detr_r50_two_stage_50ep"
