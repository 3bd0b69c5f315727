"""AlignDETR, ResNet-50, 4 scales, k = 2, tau = 1.5, 12 epochs: 50.3 AP on COCO as published."""

from aligndetr.config import get_config

model = get_config("models/aligndetr_r50.py").model
dataloader = get_config("common/data/coco_detr.py").dataloader
optimizer = get_config("common/optim.py").adamw
lr_multiplier = get_config("common/schedule.py").step_12ep
train = get_config("common/train.py").train

train.init_checkpoint = "detectron2://ImageNetPretrained/torchvision/R-50.pkl"
train.output_dir = "./output/aligndetr_k2_r50_4scale_12ep"
