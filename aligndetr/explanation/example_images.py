"""Images to walk with, small and of different sizes, so that padding is seen at work."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import torch

from aligndetr.data.augmentation import ResizeTransform
from aligndetr.data.images import read_image
from aligndetr.data.mapper import make_instances
from aligndetr.data.shapes import SPLITS, Split, draw_scene
from aligndetr.errors import DataError

SIZES = (272, 336, 400, 464)  # not those of common layers
_ENOUGH_OBJECTS = 5  # fewer could be mistaken for coordinates or levels
_MADE_UP_OBJECTS = (9, 5)
_SHRINK = 0.8  # each image is smaller than the one before it
_CHOICE = 8


@dataclass
class Picture:
    """An image with its objects.

    Attributes:
        origin: where it comes from, for the reader.
        pixels: (H, W, 3) uint8 RGB.
        annotations: COCO annotations, classes contiguous.
    """

    origin: str
    pixels: np.ndarray
    annotations: list[dict[str, Any]]


def pictures_of_file(path: Path) -> list[Picture]:
    """A file, twice, with boxes that are made up: so many small ones in a grid.

    Raises:
        DataError: the file is missing or broken.
    """
    pixels = read_image(path)
    return [
        Picture(path.name, pixels, _grid(*pixels.shape[:2], count)) for count in _MADE_UP_OBJECTS
    ]


def _grid(height: int, width: int, count: int) -> list[dict[str, Any]]:
    """Annotations of `count` objects, three a row."""
    cell = np.array([width / 3, height / -(-count // 3)])
    corners = [cell * (index % 3 + 0.2, index // 3 + 0.2) for index in range(count)]
    return [
        {"bbox": [*corner, *cell * 0.6], "category_id": index, "iscrowd": 0}
        for index, corner in enumerate(corners)
    ]


def pictures_of_dataset(description: Mapping[str, Any] | None) -> tuple[list[Picture], int]:
    """Pictures of a config's dataset that have objects; drawn ones where it is not there.

    Args:
        description: the node of the config that says which dataset; None: there is none.

    Returns:
        A few pictures, and the number of classes.
    """
    from aligndetr.config import instantiate

    name = None if description is None else description.get("names")
    if isinstance(name, str) and name in SPLITS and not description.get("json_file"):
        return drawn_pictures(SPLITS[name], f"{name} "), len(SPLITS[name].style.categories)
    try:
        dataset = None if description is None else instantiate(description)
    except DataError:
        dataset = None
    split = SPLITS["shapes_train"]
    if not hasattr(dataset, "class_names"):
        return drawn_pictures(split), len(split.style.categories)
    found = list(
        islice((record for record in dataset if len(_objects(record)) >= _ENOUGH_OBJECTS), _CHOICE)
    )
    pictures = [
        Picture(Path(record["file_name"]).name, read_image(record["file_name"]), _objects(record))
        for record in found
    ]
    return pictures or drawn_pictures(split), len(dataset.class_names)


def _objects(record: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [annotation for annotation in record["annotations"] if not annotation["iscrowd"]]


def drawn_pictures(split: Split, origin: str = "a drawn demo image ") -> list[Picture]:
    """Pictures of the demo set with some objects, in its order, without writing the set."""
    return list(islice(_drawn(split, origin), _CHOICE))


def _drawn(split: Split, origin: str) -> Iterator[Picture]:
    contiguous = {identity: index for index, identity in enumerate(split.style.categories.values())}
    for index in range(10**6):
        scene = draw_scene(split.style, np.random.default_rng([split.seed, index]))
        objects = [
            {**annotation, "category_id": contiguous[annotation["category_id"]]}
            for annotation in _objects({"annotations": scene.annotations})
        ]
        if len(objects) >= _ENOUGH_OBJECTS:
            yield Picture(f"{origin}{index + 1:06d}", scene.pixels, objects)


def choose(pictures: Sequence[Picture], count: int, num_classes: int) -> list[Picture]:
    """Pictures whose object counts can be told from each other and from K; else the first ones."""
    chosen: dict[int, Picture] = {}
    for picture in pictures:
        if len(picture.annotations) not in (num_classes, num_classes + 1):
            chosen.setdefault(len(picture.annotations), picture)
    found = list(chosen.values())
    return (found if len(found) >= count else [*pictures] * count)[:count]


def size_for(num_queries: int, strides: Sequence[int]) -> int:
    """Pixels of an image's longer side for which there are more tokens than queries.

    Args:
        num_queries: Q.
        strides: of the feature maps.
    """
    tokens_a_pixel = sum(stride**-2 for stride in strides)
    needed = math.sqrt(1.6 * num_queries / tokens_a_pixel) if strides else 0
    return next((size for size in SIZES if size >= needed), SIZES[-1])


def batch(
    pictures: Sequence[Picture], size: int, image_format: str, num_classes: int
) -> list[dict[str, Any]]:
    """Items in the detector's input format.

    Args:
        pictures: of B images.
        size: longer side of the first image in pixels; each further one is a fifth smaller.
        image_format: "RGB" or "BGR".
        num_classes: classes beyond are counted from 0 again.
    """
    items = []
    for index, picture in enumerate(pictures):
        height, width = picture.pixels.shape[:2]
        scale = size * _SHRINK**index / max(height, width)
        new_size = tuple(max(round(side * scale), 8) for side in (height, width))
        transform = ResizeTransform(height, width, *new_size)
        pixels = transform.apply_image(picture.pixels)
        pixels = pixels[:, :, ::-1] if image_format == "BGR" else pixels
        annotations = [
            {**each, "category_id": each["category_id"] % num_classes}
            for each in picture.annotations
        ]
        items.append(
            {
                "file_name": picture.origin,
                "image": torch.from_numpy(np.ascontiguousarray(pixels.transpose(2, 0, 1))),
                "height": height,
                "width": width,
                "instances": make_instances(annotations, transform, new_size),
            }
        )
    return items
