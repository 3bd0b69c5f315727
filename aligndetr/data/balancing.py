"""How often images come in an epoch, so that rare classes are seen more often."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from aligndetr.data.dataset import DetectionDataset
from aligndetr.errors import DataError


class Balancing(Protocol):
    """What `dataloader.train.balancing` is."""

    def repeats(self, dataset: DetectionDataset) -> np.ndarray:
        """(N,) how often each image comes in an epoch, on average; not negative."""


@dataclass
class RepeatFactor:
    """Repeat images of rare classes (Gupta et al., LVIS, 2019, appendix B).

    A class that is in a part f of the images has the factor max(1, sqrt(threshold / f)), an image
    the largest factor of its classes, and at least 1. An epoch of the loader thus is longer than
    the dataset; `train.epochs` counts images and is not changed by it.

    Args:
        threshold: classes in a smaller part of the images are repeated; LVIS takes 0.001.

    Raises:
        DataError: the threshold is no such part.
    """

    threshold: float = 0.001

    def __post_init__(self) -> None:
        if not 0 < self.threshold <= 1:
            raise DataError(f"RepeatFactor: threshold={self.threshold} is not in (0, 1]")

    def repeats(self, dataset: DetectionDataset) -> np.ndarray:
        """(N,) factors of the images, at least 1."""
        images, classes = classes_in_images(dataset)
        parts = _images_with(classes, dataset)[classes] / len(dataset)
        factors = np.ones(len(dataset))
        np.maximum.at(factors, images, np.sqrt(self.threshold / parts))
        return factors


@dataclass
class ClassBalanced:
    """Draw a class, each as likely as the others, then an image that has it (Shen et al., 2016).

    An image comes as often as that expects, per epoch: (1 / C) sum of 1 / n_c over its classes,
    times the number of images with objects; C classes occur, each in n_c images. Images without
    objects come once, so that the epoch keeps its length.
    """

    def repeats(self, dataset: DetectionDataset) -> np.ndarray:
        """(N,) positive factors, which sum to N."""
        images, classes = classes_in_images(dataset)
        factors = np.zeros(len(dataset))
        np.add.at(factors, images, 1 / _images_with(classes, dataset)[classes])
        with_objects = factors > 0
        occurring = len(np.unique(classes))
        return np.where(with_objects, factors * with_objects.sum() / max(occurring, 1), 1.0)


def classes_in_images(dataset: DetectionDataset) -> tuple[np.ndarray, np.ndarray]:
    """Pairs of an image and a class that is in it, each once; crowds do not count.

    Returns:
        Indices of images (M,) and of classes (M,), int64.
    """
    pairs = [
        (index, kind)
        for index, record in enumerate(dataset)
        for kind in sorted({a["category_id"] for a in record["annotations"] if not a["iscrowd"]})
    ]
    images, classes = np.array(pairs, dtype=np.int64).reshape(-1, 2).T
    return images, classes


def _images_with(classes: np.ndarray, dataset: DetectionDataset) -> np.ndarray:
    """(K,) number of images that have each class."""
    return np.bincount(classes, minlength=dataset.num_classes)
