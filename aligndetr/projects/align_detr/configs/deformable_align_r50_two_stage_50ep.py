"""The align loss and mixed matching on two-stage Deformable-DETR. Not in any publication."""

from aligndetr.config import get_config

from ...deformable_detr.configs.deformable_detr_r50_two_stage_50ep import (
    dataloader,
    lr_multiplier,
    model,
    optimizer,
    train,
)

model.criterion = get_config("models/aligndetr_r50.py").model.criterion
model.criterion.class_agnostic_proposals = True
train.output_dir = "./output/deformable_align_r50_two_stage_50ep"
