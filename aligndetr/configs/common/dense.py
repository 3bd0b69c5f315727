"""Dense one-to-one matching (DEIM): more objects an image for a part of the training."""

import copy

from aligndetr.config import LazyCall as L
from aligndetr.data import Stage
from aligndetr.data import augmentation as T

WARM_UP, HALF = 0.07, 0.5  # DEIM: epochs 4 to 29 of 58
NO_AUGMENTATION = 0.9  # the last tenth sees images as they are evaluated


def stages(train, size, plain):
    """Mosaics and blends up to half of the training, and a last tenth without augmentation.

    Args:
        train: the loader's node, whose mapper holds outside of these stages.
        size: edge of a mosaic in pixels.
        plain: steps of the last tenth, such as a flip and a resize.
    """
    dense = copy.deepcopy(train.mapper)
    mosaic = L(T.Mosaic)(size=size, prob=0.5)
    dense.augmentation = [
        mosaic,
        L(T.Mixup)(prob=0.5, augmentation=[copy.deepcopy(mosaic)]),
        *train.mapper.augmentation,
    ]
    last = copy.deepcopy(train.mapper)
    last.augmentation = plain
    last.augmentation_with_crop = None
    transform = train.get("batch_transform")
    return [
        L(Stage)(start=WARM_UP, end=HALF, mapper=dense, batch_transform=transform),
        L(Stage)(start=NO_AUGMENTATION, end=1.0, mapper=last, batch_transform=transform),
    ]
