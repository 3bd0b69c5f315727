"""AlignDETR, ResNet-18, 4 scales, 36 epochs of COCO from scratch at 640 pixels: not trained yet."""

from aligndetr.config import get_config

from ...dino.configs.dino_r18 import dataloader, lr_multiplier, model, optimizer, train

model.criterion = get_config("models/aligndetr_r50.py").model.criterion
train.output_dir = "./output/aligndetr_r18"
