"""Two-stage Deformable-DETR with 0.9 M parameters on the embedded shapes: a CPU, minutes."""

from aligndetr.config import get_config

from ...dino.configs.dino_tiny import dataloader, lr_multiplier, optimizer, train

model = get_config("models/deformable_detr_tiny.py").model
train.output_dir = "./output/deformable_detr_tiny"
