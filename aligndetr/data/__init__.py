"""Datasets and loaders; `augmentation` and `demo_shapes` are packages of their own."""

from aligndetr.data.balancing import ClassBalanced, RepeatFactor
from aligndetr.data.catalog import register_coco_instances, registered_names
from aligndetr.data.dataset import DetectionDataset, load_dataset
from aligndetr.data.images import read_image
from aligndetr.data.loader import TestLoader, TrainLoader, build_test_loader, build_train_loader
from aligndetr.data.mapper import DetrMapper
from aligndetr.data.workers import Stage

__all__ = [
    "ClassBalanced",
    "DetectionDataset",
    "DetrMapper",
    "RepeatFactor",
    "Stage",
    "TestLoader",
    "TrainLoader",
    "build_test_loader",
    "build_train_loader",
    "load_dataset",
    "read_image",
    "register_coco_instances",
    "registered_names",
]
