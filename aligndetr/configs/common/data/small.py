"""DETR's augmentation at half of its size, on the demo set until `path` names another."""

from .coco_detr import dataloader

dataloader["image_size"] = 400
dataloader["train"].dataset.names = "shapes_train"
dataloader["train"].dataset.filter_empty = False
dataloader["train"].total_batch_size = 8
dataloader["train"].num_workers = 2
dataloader["test"].dataset.names = "shapes_val"
dataloader["test"].num_workers = 2
