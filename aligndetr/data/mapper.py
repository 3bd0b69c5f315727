"""From a dataset record to what the model takes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from fvcore.transforms.transform import Transform

from aligndetr.data.augmentation import Augmentation, BoxAugmentation, apply_augmentations
from aligndetr.data.images import read_image
from aligndetr.data.records import Record
from aligndetr.structures import Boxes, Instances


@dataclass
class DetrMapper:
    """Read an image, augment it with its boxes and make tensors (DETR, section A.4).

    Args:
        augmentation: the usual steps.
        augmentation_with_crop: another list of steps, used for half of the images; None: never.
        is_train: add `instances`; crowds are left out, boxes are cut to the image, and those
            that the augmentation pushed out of it are dropped.
        image_format: "RGB" or "BGR", the order that the backbone was trained with.
        skip_broken_images: what the loader does about an image that cannot be read: False
            stops with an error, True counts it and goes on with another one.
    """

    augmentation: Sequence[Augmentation | BoxAugmentation]
    augmentation_with_crop: Sequence[Augmentation | BoxAugmentation] | None = None
    is_train: bool = True
    image_format: str = "RGB"
    skip_broken_images: bool = False

    def __call__(self, record: Record, rng: np.random.Generator | None = None) -> dict[str, Any]:
        """Map one record.

        Args:
            record: dict(file_name, annotations, and height, width of the file when known).
            rng: source of every random draw; None: always the same draws.

        Returns:
            dict(file_name, image_id, height, width, image (3, h, w) uint8) where height and
            width are the original ones; in training also instances with gt_boxes (Boxes, XYXY
            in pixels of `image`) and gt_classes (G,) int64.

        Raises:
            DataError: the image is missing, broken, or not of the annotated size.
        """
        rng = np.random.default_rng(0) if rng is None else rng
        item = {key: value for key, value in record.items() if key != "annotations"}
        size = (item["height"], item["width"]) if "height" in item else None
        original = read_image(record["file_name"], size, self.image_format)
        item["height"], item["width"] = original.shape[:2]
        boxes = _object_boxes(record["annotations"]) if self.is_train else None
        image, transform = apply_augmentations(self._choose_steps(rng), original, rng, boxes)
        item["image"] = torch.from_numpy(np.ascontiguousarray(image.transpose(2, 0, 1)))
        if self.is_train:
            item["instances"] = make_instances(record["annotations"], transform, image.shape[:2])
        return item

    def _choose_steps(self, rng: np.random.Generator) -> Sequence[Augmentation | BoxAugmentation]:
        if self.augmentation_with_crop is not None and rng.random() < 0.5:
            return self.augmentation_with_crop
        return self.augmentation


def make_instances(
    annotations: Sequence[dict[str, Any]], transform: Transform, image_size: tuple[int, int]
) -> Instances:
    """Objects of an augmented image; without crowds and boxes that are no longer in it.

    Args:
        annotations: COCO annotations, bbox XYWH in pixels of the original image.
        transform: from the original to the augmented image.
        image_size: (height, width) of the augmented image.

    Returns:
        Instances with gt_boxes (Boxes XYXY float32) and gt_classes (G,) int64.
    """
    boxes = torch.from_numpy(transform.apply_box(_object_boxes(annotations)))
    gt_boxes = Boxes(Boxes(boxes).clip(image_size).tensor.float())
    classes = [entry["category_id"] for entry in annotations if not entry["iscrowd"]]
    instances = Instances(
        tuple(image_size), gt_boxes=gt_boxes, gt_classes=torch.tensor(classes, dtype=torch.int64)
    )
    return instances[gt_boxes.nonempty(_SMALLEST_EDGE)]


def _object_boxes(annotations: Sequence[dict[str, Any]]) -> np.ndarray:
    """(N, 4) XYXY of all annotations but crowds."""
    boxes = [entry["bbox"] for entry in annotations if not entry["iscrowd"]]
    left_top, size = np.split(np.array(boxes, dtype=np.float64).reshape(-1, 4), 2, axis=1)
    return np.concatenate([left_top, left_top + size], axis=1)


_SMALLEST_EDGE = 1e-5  # pixels; what rounding leaves of a box that was cut off
