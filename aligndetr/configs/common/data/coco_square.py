"""COCO 2017 in squares, whatever the aspect ratio: SSD's augmentation, batches of random size."""

from aligndetr.config import LazyCall as L
from aligndetr.data import augmentation as T

from .coco_detr import SHORT_EDGES, dataloader

_SCALE = L(T.scale_to)(image_size="${dataloader.image_size}", recipe=640)

dataloader["image_size"] = 640  # edge of the squares in evaluation, and in the middle of training
dataloader["train"].mapper.augmentation = [
    L(T.RandomPhotometricDistort)(prob=0.5),
    L(T.RandomZoomOut)(side_range=[1.0, 4.0], prob=0.5, fill=0),
    L(T.RandomIoUCrop)(prob=0.8),
    L(T.RandomFlip)(),
]
dataloader["train"].mapper.augmentation_with_crop = None
dataloader["train"].batch_transform = L(T.BatchResize)(sizes=[*SHORT_EDGES, 640, 640], scale=_SCALE)
dataloader["test"].mapper.augmentation = [L(T.Resize)(shape=640, scale=_SCALE)]
