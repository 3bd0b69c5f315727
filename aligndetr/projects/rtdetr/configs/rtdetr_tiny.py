"""RT-DETR with 1 M parameters on the embedded shapes: trains on a CPU in minutes."""

from aligndetr.config import LazyCall as L
from aligndetr.config import get_config
from aligndetr.data import augmentation as T

from ...dino.configs.dino_tiny import dataloader, lr_multiplier, optimizer, train

model = get_config("models/rtdetr_tiny.py").model

dataloader["image_size"] = 160
dataloader["train"].mapper.augmentation[-1] = L(T.Resize)(shape="${dataloader.image_size}")
dataloader["test"].mapper.augmentation[-1] = L(T.Resize)(shape="${dataloader.image_size}")
train.output_dir = "./output/rtdetr_tiny"
