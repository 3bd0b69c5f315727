"""DETR, ResNet-50, 300 epochs: 40.6 AP on COCO in the paper's ablations."""

from aligndetr.config import get_config

model = get_config("models/detr_r50.py").model
dataloader = get_config("common/data/coco_detr.py").dataloader
optimizer = get_config("common/optim.py").adamw
lr_multiplier = get_config("common/schedule.py").step_300ep
train = get_config("common/train.py").train

train.init_checkpoint = "detectron2://ImageNetPretrained/torchvision/R-50.pkl"
train.epochs = 300
train.output_dir = "./output/detr_r50_300ep"

dataloader["train"].total_batch_size = 64
train.reference_batch_size = 64
