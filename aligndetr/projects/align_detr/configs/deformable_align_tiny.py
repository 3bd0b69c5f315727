"""The align loss on two-stage Deformable-DETR, 0.9 M parameters, on the embedded shapes."""

from aligndetr.config import get_config

from ...deformable_detr.configs.deformable_detr_tiny import (
    dataloader,
    lr_multiplier,
    model,
    optimizer,
    train,
)

model.criterion = get_config("models/aligndetr_r50.py").model.criterion
model.criterion.class_agnostic_proposals = True
model.criterion.match_num = [2, 2, 2, 1]
train.output_dir = "./output/deformable_align_tiny"
