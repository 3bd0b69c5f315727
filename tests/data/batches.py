"""Loaders of small images, and their batches in a form that can be compared."""

from itertools import islice

from aligndetr.data import DetrMapper, build_train_loader
from aligndetr.data import augmentation as T

STEPS = [T.RandomFlip(), T.RandomCrop("absolute_range", (12, 30)), T.ResizeShortestEdge((16, 32))]


def content(batch):
    """Everything of a batch that can differ."""
    return [
        (item["image_id"], item["image"].numpy().tobytes(),
         item["instances"].gt_boxes.tensor.numpy().tobytes())
        for item in batch
    ]  # fmt: skip


def take(loader, number):
    return [content(batch) for batch in islice(loader, number)]


def train_loader(dataset, workers=0, seed=5, **options):
    return build_train_loader(dataset, DetrMapper(STEPS), 2, workers, seed=seed, **options)
