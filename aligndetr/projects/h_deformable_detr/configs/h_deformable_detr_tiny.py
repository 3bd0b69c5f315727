"""H-Deformable-DETR with 0.9 M parameters on the embedded shapes: trains on a CPU in minutes."""

from aligndetr.config import get_config

from ...dino.configs.dino_tiny import dataloader, lr_multiplier, optimizer, train

model = get_config("models/h_deformable_detr_tiny.py").model
train.output_dir = "./output/h_deformable_detr_tiny"
