"""RT-DETR with 1 M parameters on the embedded shapes: trains on a CPU in minutes."""

from aligndetr.config import LazyCall as L
from aligndetr.config import get_config
from aligndetr.data import augmentation as T

from ...dino.configs.dino_tiny import dataloader, lr_multiplier, optimizer, train

model = get_config("models/rtdetr_tiny.py").model

dataloader["train"].mapper.augmentation.append(L(T.Resize)(shape=160))
dataloader["test"].mapper.augmentation.append(L(T.Resize)(shape=160))
train.output_dir = "./output/rtdetr_tiny"
