"""A small Align-DAB-DETR on the embedded shapes."""

from aligndetr.config import get_config

from ...dab_detr.configs.dab_detr_tiny import dataloader, lr_multiplier, model, optimizer, train

model.criterion = get_config("models/align_dab_detr_r50.py").model.criterion
model.criterion.match_num = [1, 2, 2, 1]  # the first is for proposals: none here
train.output_dir = "./output/align_dab_detr_tiny"
