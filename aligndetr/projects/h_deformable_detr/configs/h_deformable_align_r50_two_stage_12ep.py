"""H-Deformable-DETR with the align loss in both branches, 12 epochs. Not in any publication."""

from aligndetr.config import get_config

from .h_deformable_detr_r50_two_stage_12ep import (
    dataloader,
    lr_multiplier,
    model,
    optimizer,
    train,
)

align = get_config("models/aligndetr_r50.py").model.criterion
model.criterion.one_to_one.matcher = align.matcher
model.criterion.one_to_one.match_num = align.match_num
model.criterion.one_to_one.classification = align.classification
model.criterion.one_to_many.classification = align.classification  # a copy has no rival: rank 0
train.output_dir = "./output/h_deformable_align_r50_two_stage_12ep"
