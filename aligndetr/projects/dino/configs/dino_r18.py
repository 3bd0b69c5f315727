"""DINO, ResNet-18, 4 scales, 36 epochs of COCO from scratch at 640 pixels: not trained yet."""

from aligndetr.config import get_config

from ....configs.models.small import resnet18
from .dino_r50_4scale_12ep import dataloader, optimizer, train

model = get_config("models/dino_r50.py").model
resnet18(model)
lr_multiplier = get_config("common/schedule.py").step_36ep

dataloader["image_size"] = 640
optimizer.params.lr_factor = None  # the backbone, too, starts from nothing
train.epochs = 36
train.init_checkpoint = ""
train.output_dir = "./output/dino_r18"
