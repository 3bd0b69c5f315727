"""DINO, ResNet-50, 4 scales, 24 epochs: 50.6 AP on COCO as published in detrex."""

from aligndetr.config import get_config

from .dino_r50_4scale_12ep import dataloader, model, optimizer, train

lr_multiplier = get_config("common/schedule.py").step_24ep

# Other than for 12 epochs, as detrex' files have it
model.pyramid.position_embedding.temperature = 20
model.pyramid.position_embedding.offset = 0.0
dataloader.train.dataset.filter_empty = False
train.epochs = 24
train.output_dir = "./output/dino_r50_4scale_24ep"
