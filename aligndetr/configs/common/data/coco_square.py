"""COCO 2017 at 640 x 640 pixels, whatever the aspect ratio: flip, and a crop of half the images."""

from aligndetr.config import LazyCall as L
from aligndetr.data import transforms as T

from .coco_detr import dataloader

dataloader["train"].mapper.augmentation = [L(T.RandomFlip)(), L(T.Resize)(shape=640)]
dataloader["train"].mapper.augmentation_with_crop = [
    L(T.RandomFlip)(),
    L(T.RandomCrop)(crop_type="relative_range", crop_size=[0.3, 0.3]),
    L(T.Resize)(shape=640),
]
dataloader["test"].mapper.augmentation = [L(T.Resize)(shape=640)]
