"""Align-DAB-DETR, ResNet-50, 50 epochs."""

from aligndetr.config import get_config

from ...dab_detr.configs.dab_detr_r50_50ep import dataloader, lr_multiplier, optimizer, train

model = get_config("models/align_dab_detr_r50.py").model
train.output_dir = "./output/align_dab_detr_r50_50ep"
