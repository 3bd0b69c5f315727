"""DINO, ResNet-50, 4 scales, 24 epochs: 50.6 AP on COCO as published in detrex."""

from aligndetr.config import get_config

from .dino_r50_4scale_12ep import dataloader, model, optimizer, train

lr_multiplier = get_config("common/schedule.py").step_24ep

train.epochs = 24
train.output_dir = "./output/dino_r50_4scale_24ep"
