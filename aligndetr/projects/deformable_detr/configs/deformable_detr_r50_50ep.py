"""Deformable-DETR, ResNet-50, 50 epochs: 44.6 AP on COCO with the authors' weights."""

from aligndetr.config import get_config

model = get_config("models/deformable_detr_r50.py").model
dataloader = get_config("common/data/coco_detr.py").dataloader
optimizer = get_config("common/optim.py").adamw
lr_multiplier = get_config("common/schedule.py").step_50ep
train = get_config("common/train.py").train

optimizer.params.lr_factor = {"backbone": 0.1, "sampling_offsets": 0.1, "reference_points": 0.1}
train.epochs = 50
train.init_checkpoint = "detectron2://ImageNetPretrained/torchvision/R-50.pkl"
train.output_dir = "./output/deformable_detr_r50_50ep"
