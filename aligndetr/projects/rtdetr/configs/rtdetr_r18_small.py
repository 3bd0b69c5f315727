"""RT-DETR, ResNet-18-D, 15 M parameters, from scratch at 384 pixels: not trained yet."""

from aligndetr.config import get_config

from ...align_detr.configs.aligndetr_r18_small import lr_multiplier, optimizer, train

model = get_config("models/rtdetr_r18_small.py").model
dataloader = get_config("common/data/small.py").dataloader
square = get_config("common/data/coco_square.py").dataloader
dataloader["image_size"] = 384
dataloader["train"].mapper = square["train"].mapper
dataloader["train"].batch_transform = square["train"].batch_transform
dataloader["test"].mapper = square["test"].mapper
del square
train.output_dir = "./output/rtdetr_r18_small"
