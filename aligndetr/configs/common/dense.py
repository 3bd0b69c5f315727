"""Dense one-to-one matching (DEIM): more objects an image for a part of the training."""

import copy

from aligndetr.config import LazyCall as L
from aligndetr.data import Stage
from aligndetr.data import augmentation as T

WARM_UP, HALF = 0.07, 0.5  # DEIM: epochs 4 to 29 of 58
NO_AUGMENTATION = 0.9  # the last tenth sees images as they are evaluated


def stages(train, size, resize):
    """Mosaics and blends up to half of the training, and a last tenth that is only mirrored.

    Args:
        train: the loader's node, whose mapper holds outside of these stages.
        size: edge of a mosaic in pixels.
        resize: step that gives an image the size of the evaluation. In the last tenth it is all but
            the flip; and what is blended has this size before, so that no mosaic is lost in a
            corner of a photograph.
    """
    dense = copy.deepcopy(train.mapper)
    mosaic = L(T.Mosaic)(size=size, prob=0.5)
    blended = [copy.deepcopy(mosaic), copy.deepcopy(resize)]
    dense.augmentation = [
        mosaic,
        resize,
        L(T.Mixup)(prob=0.5, augmentation=blended),
        *train.mapper.augmentation,
    ]
    last = copy.deepcopy(train.mapper)
    last.augmentation = [L(T.RandomFlip)(), copy.deepcopy(resize)]
    last.augmentation_with_crop = None
    transform = train.get("batch_transform")
    return [
        L(Stage)(start=WARM_UP, end=HALF, mapper=dense, batch_transform=transform),
        L(Stage)(start=NO_AUGMENTATION, end=1.0, mapper=last, batch_transform=transform),
    ]
