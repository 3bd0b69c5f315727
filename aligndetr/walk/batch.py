"""Images to walk with, small and of different sizes, so that padding is seen at work."""

from __future__ import annotations

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
from aligndetr.data.shapes import PLAIN, SPLITS, Style, draw_scene
from aligndetr.errors import DataError

_ENOUGH_OBJECTS = 5  # fewer could be mistaken for coordinates or levels
_MADE_UP_OBJECTS = (9, 5)
_SHRINK = 0.8  # each image is smaller than the one before it


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
    rows = -(-count // 3)
    return [
        {
            "bbox": [
                width * (index % 3 + 0.2) / 3,
                height * (index // 3 + 0.2) / rows,
                width * 0.2,
                height * 0.6 / rows,
            ],
            "category_id": index,
            "iscrowd": 0,
        }
        for index in range(count)
    ]


def pictures_of_dataset(description: Mapping[str, Any] | None) -> list[Picture]:
    """Pictures of a config's dataset that have objects; drawn ones where it is not there.

    Args:
        description: the node of the config that says which dataset; None: there is none.
    """
    from aligndetr.config import instantiate

    name = None if description is None else description.get("names")
    is_demo = isinstance(name, str) and name in SPLITS and not description.get("json_file")
    if is_demo:
        return drawn_pictures(name)
    try:
        dataset = None if description is None else instantiate(description)
    except DataError:
        dataset = None
    if not hasattr(dataset, "class_names"):
        return drawn_pictures(None)
    crowded = (record for record in dataset if len(record["annotations"]) >= _ENOUGH_OBJECTS)
    records = list(islice(crowded, 8))
    return [
        Picture(Path(record["file_name"]).name, read_image(record["file_name"]), _plain(record))
        for record in records
    ] or drawn_pictures(None)


def _plain(record: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [annotation for annotation in record["annotations"] if not annotation["iscrowd"]]


def drawn_pictures(name: str | None) -> list[Picture]:
    """Pictures of the demo set with some objects, in its order, without writing the set.

    Args:
        name: of the split; None: pictures like those of "shapes_train".
    """
    split = SPLITS[name or "shapes_train"]
    return list(islice(_scenes(name, split.style, split.seed), 8))


def _scenes(name: str | None, style: Style, seed: int) -> Iterator[Picture]:
    contiguous = {identity: index for index, identity in enumerate(style.categories.values())}
    for index in range(10**6):
        scene = draw_scene(style, np.random.default_rng([seed, index]))
        objects = [
            {**annotation, "category_id": contiguous[annotation["category_id"]]}
            for annotation in scene.annotations
            if not annotation["iscrowd"]
        ]
        if len(objects) >= _ENOUGH_OBJECTS:
            origin = f"{name} {index + 1:06d}" if name else "a drawn demo image"
            yield Picture(origin, scene.pixels, objects)


def class_count(description: Mapping[str, Any] | None) -> int:
    """K where the config leaves it to the dataset."""
    from aligndetr.config import instantiate

    name = None if description is None else description.get("names")
    if isinstance(name, str) and name in SPLITS and not description.get("json_file"):
        return len(SPLITS[name].style.categories)
    try:
        return len(instantiate(description).class_names)
    except (DataError, TypeError, AttributeError):
        return len(PLAIN.categories)


def choose(pictures: Sequence[Picture], count: int, num_classes: int) -> list[Picture]:
    """Pictures whose object counts can be told from each other and from K; else the first ones."""
    chosen: dict[int, Picture] = {}
    for picture in pictures:
        if len(picture.annotations) not in (num_classes, num_classes + 1):
            chosen.setdefault(len(picture.annotations), picture)
    found = list(chosen.values())
    return (found if len(found) >= count else [*pictures] * count)[:count]


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
        new_height, new_width = (max(round(side * scale), 8) for side in (height, width))
        transform = ResizeTransform(height, width, new_height, new_width)
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
                "instances": make_instances(annotations, transform, (new_height, new_width)),
            }
        )
    return items
