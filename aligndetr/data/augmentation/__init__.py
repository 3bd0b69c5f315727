"""What changes images and their boxes in training: random choices and their transforms."""

from aligndetr.data.augmentation.augmentation import (
    AnyAugmentation,
    Augmentation,
    BoxAugmentation,
    LabelledImage,
    MixAugmentation,
    apply_augmentations,
    augment,
)
from aligndetr.data.augmentation.flip_and_crop import RandomCrop, RandomFlip
from aligndetr.data.augmentation.image_size import scale_to, scaled
from aligndetr.data.augmentation.large_scale_jitter import LargeScaleJitter
from aligndetr.data.augmentation.mixing import CopyPaste, Mixup, Mosaic
from aligndetr.data.augmentation.photometric import RandomPhotometricDistort
from aligndetr.data.augmentation.resize import (
    BatchResize,
    Resize,
    ResizeShortestEdge,
    ResizeTransform,
)
from aligndetr.data.augmentation.zoom import RandomIoUCrop, RandomZoomOut

__all__ = [
    "AnyAugmentation",
    "Augmentation",
    "BatchResize",
    "BoxAugmentation",
    "CopyPaste",
    "LabelledImage",
    "LargeScaleJitter",
    "MixAugmentation",
    "Mixup",
    "Mosaic",
    "RandomCrop",
    "RandomFlip",
    "RandomIoUCrop",
    "RandomPhotometricDistort",
    "RandomZoomOut",
    "Resize",
    "ResizeShortestEdge",
    "ResizeTransform",
    "apply_augmentations",
    "augment",
    "scale_to",
    "scaled",
]
