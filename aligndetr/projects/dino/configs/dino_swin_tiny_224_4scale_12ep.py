"""DINO, Swin-T, 4 scales, 12 epochs: 51.3 AP on COCO as published in detrex."""

from aligndetr.config import get_config

from .dino_r50_4scale_12ep import dataloader, lr_multiplier, optimizer, train

model = get_config("models/dino_swin.py").model

train.init_checkpoint = "huggingface://microsoft/swin-tiny-patch4-window7-224"
train.output_dir = "./output/dino_swin_tiny_224_4scale_12ep"
