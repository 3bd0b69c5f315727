"""DAB-DETR, ResNet-50, 50 epochs: 43.2 AP on COCO as published in detrex."""

from aligndetr.config import get_config

model = get_config("models/dab_detr_r50.py").model
dataloader = get_config("common/data/coco_detr.py").dataloader
optimizer = get_config("common/optim.py").adamw
lr_multiplier = get_config("common/schedule.py").step_50ep
train = get_config("common/train.py").train

train.init_checkpoint = "detectron2://ImageNetPretrained/torchvision/R-50.pkl"
train.epochs = 50
train.output_dir = "./output/dab_detr_r50_50ep"
