"""A small DAB-DETR on the embedded shapes."""

from aligndetr.config import get_config

from ...dino.configs.dino_tiny import dataloader, lr_multiplier, optimizer, train

model = get_config("models/dab_detr_tiny.py").model
optimizer.lr = 1e-3  # with dense attention, boxes learn faster than at 3e-3
train.output_dir = "./output/dab_detr_tiny"
