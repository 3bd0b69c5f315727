"""What changes images and their boxes in training: random choices and their transforms."""

from aligndetr.data.augmentation.augmentation import (
    Augmentation,
    BoxAugmentation,
    apply_augmentations,
)
from aligndetr.data.augmentation.flip_and_crop import RandomCrop, RandomFlip
from aligndetr.data.augmentation.photometric import RandomPhotometricDistort
from aligndetr.data.augmentation.resize import (
    BatchResize,
    Resize,
    ResizeShortestEdge,
    ResizeTransform,
)
from aligndetr.data.augmentation.zoom import RandomIoUCrop, RandomZoomOut

__all__ = [
    "Augmentation",
    "BatchResize",
    "BoxAugmentation",
    "RandomCrop",
    "RandomFlip",
    "RandomIoUCrop",
    "RandomPhotometricDistort",
    "RandomZoomOut",
    "Resize",
    "ResizeShortestEdge",
    "ResizeTransform",
    "apply_augmentations",
]
