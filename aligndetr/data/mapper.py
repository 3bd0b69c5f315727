"""From a dataset record to what the model takes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch

from aligndetr.data.augmentation import AnyAugmentation, LabelledImage, augment
from aligndetr.data.images import read_image, read_size
from aligndetr.data.records import Record
from aligndetr.errors import DataError
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
        decode_short_edge: JPEGs are decoded to a half, quarter or eighth as long as their shorter
            edge keeps so many pixels, and boxes follow; faster for large photographs whose first
            step makes them smaller. Pixels differ a little, the less the more remain; it should be
            no less than what the steps make of them. None: all pixels.
    """

    augmentation: Sequence[AnyAugmentation]
    augmentation_with_crop: Sequence[AnyAugmentation] | None = None
    is_train: bool = True
    image_format: str = "RGB"
    skip_broken_images: bool = False
    decode_short_edge: int | None = None

    def __post_init__(self) -> None:
        for key in ("augmentation", "augmentation_with_crop"):
            steps = getattr(self, key)
            if steps is not None and not _are_augmentations(steps):
                raise TypeError(f"{key} must be a list of augmentations, not {str(steps)[:60]!r}")
        edge = self.decode_short_edge
        if edge is not None and not (isinstance(edge, int) and edge > 0):
            raise ValueError(f"decode_short_edge={edge!r} must be a number of pixels, or null")

    def __call__(
        self,
        record: Record,
        rng: np.random.Generator | None = None,
        others: Sequence[Record] | None = None,
    ) -> dict[str, Any]:
        """Map one record.

        Args:
            record: dict(file_name, annotations, and height, width of the file when known).
            rng: source of every random draw; None: always the same draws.
            others: records that augmentations like `Mosaic` draw from; the loader gives all.

        Returns:
            dict(file_name, image_id, height, width, image (3, h, w) uint8) where height and
            width are the original ones; in training also instances with gt_boxes (Boxes, XYXY
            in pixels of `image`) and gt_classes (G,) int64.

        Raises:
            DataError: an image is missing, broken, or not of the annotated size; or others are
                needed and not there.
        """
        rng = np.random.default_rng(0) if rng is None else rng
        item = {key: value for key, value in record.items() if key != "annotations"}
        original = self._read(record)
        item["height"], item["width"] = self._full_size(record, original)
        steps = self._choose_steps(rng)
        augmented = augment(steps, original, rng, partial(self._draw, others, rng))
        pixels = np.ascontiguousarray(augmented.pixels.transpose(2, 0, 1))
        item["image"] = torch.from_numpy(pixels)
        if self.is_train:
            item["instances"] = make_instances(augmented)
        return item

    def _read(self, record: Record) -> LabelledImage:
        size = (record["height"], record["width"]) if "height" in record else None
        path = record["file_name"]
        pixels = read_image(path, size, self.image_format, self.decode_short_edge)
        image = LabelledImage(pixels, *_objects(record["annotations"] if self.is_train else ()))
        if self.decode_short_edge is not None:
            height, width = self._full_size(record, image)
            scale = pixels.shape[1] / width, pixels.shape[0] / height
            image.boxes *= [*scale, *scale]
        return image

    def _full_size(self, record: Record, image: LabelledImage) -> tuple[int, int]:
        """(height, width) of all pixels, upright; an image may have been decoded to fewer."""
        if self.decode_short_edge is None:
            return image.pixels.shape[:2]
        if "height" in record:
            return record["height"], record["width"]
        return read_size(record["file_name"])

    def _draw(self, others: Sequence[Record] | None, rng: np.random.Generator) -> LabelledImage:
        if not others:
            raise DataError(
                "an augmentation asks for other images, which only a training loader has; "
                "leave it out of the mapper here"
            )
        return self._read(others[int(rng.integers(len(others)))])

    def _choose_steps(self, rng: np.random.Generator) -> Sequence[AnyAugmentation]:
        if self.augmentation_with_crop is not None and rng.random() < 0.5:
            return self.augmentation_with_crop
        return self.augmentation


def _are_augmentations(steps: Any) -> bool:
    return isinstance(steps, Sequence) and all(
        hasattr(step, "get_transform") or hasattr(step, "mix") for step in steps
    )


def make_instances(image: LabelledImage) -> Instances:
    """Objects of an augmented image; boxes are cut to it, and left out if nothing is left.

    Returns:
        Instances with gt_boxes (Boxes XYXY float32) and gt_classes (G,) int64.
    """
    size = image.pixels.shape[:2]
    gt_boxes = Boxes(Boxes(torch.from_numpy(image.boxes)).clip(size).tensor.float())
    instances = Instances(size, gt_boxes=gt_boxes, gt_classes=torch.from_numpy(image.classes))
    return instances[gt_boxes.nonempty(_SMALLEST_EDGE)]


def _objects(annotations: Sequence[dict[str, Any]]) -> tuple[np.ndarray, np.ndarray]:
    """Boxes (N, 4) XYXY and classes (N,) of all annotations but crowds."""
    objects = [entry for entry in annotations if not entry["iscrowd"]]
    boxes = np.array([entry["bbox"] for entry in objects], dtype=np.float64).reshape(-1, 4)
    left_top, size = np.split(boxes, 2, axis=1)
    classes = np.array([entry["category_id"] for entry in objects], dtype=np.int64)
    return np.concatenate([left_top, left_top + size], axis=1), classes


_SMALLEST_EDGE = 1e-5  # pixels; what rounding leaves of a box that was cut off
