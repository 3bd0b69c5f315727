"""H-Deformable-DETR, ResNet-50, two-stage, 12 epochs: 48.9 AP on COCO as published in detrex."""

from aligndetr.config import get_config

from ...dino.configs.dino_r50_4scale_12ep import dataloader, lr_multiplier, optimizer, train

model = get_config("models/h_deformable_detr_r50.py").model
train.output_dir = "./output/h_deformable_detr_r50_two_stage_12ep"
