"""The embedded demo set: made on first use, 2000 images to learn from and 300 held back."""

from aligndetr.config import LazyCall as L
from aligndetr.data import augmentation as T

from .coco_detr import dataloader

_RESIZE = L(T.ResizeShortestEdge)(short_edge_length="${dataloader.image_size}")

dataloader["image_size"] = None  # shorter edge; None: images stay as they are
dataloader["train"].dataset.names = "shapes_train"
dataloader["train"].dataset.filter_empty = False
dataloader["train"].mapper.augmentation = [
    L(T.RandomFlip)(),
    L(T.RandomFlip)(horizontal=False, vertical=True),
    _RESIZE,
]
dataloader["train"].mapper.augmentation_with_crop = None
dataloader["train"].total_batch_size = 8
dataloader["train"].num_workers = 1
dataloader["test"].dataset.names = "shapes_val"
dataloader["test"].mapper.augmentation = [_RESIZE]
dataloader["test"].batch_size = 8
dataloader["test"].num_workers = 1
