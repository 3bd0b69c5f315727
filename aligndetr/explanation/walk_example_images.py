"""Images to walk with, small and of different sizes, so that padding is seen at work."""

from __future__ import annotations

import dataclasses
import math
import os
from collections.abc import Iterable, Sequence
from contextlib import suppress
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from omegaconf import DictConfig

from aligndetr.config import instantiate
from aligndetr.data.augmentation import ResizeShortestEdge
from aligndetr.data.dataset import DetectionDataset, load_dataset
from aligndetr.data.demo_shapes.splits import SPLITS, write_split
from aligndetr.data.images import read_image
from aligndetr.data.mapper import DetrMapper
from aligndetr.data.records import Record
from aligndetr.errors import DataError

SIZES = (272, 336, 400, 464)  # not those of common layers
_ENOUGH_OBJECTS = 5  # fewer could be mistaken for coordinates or levels
_MADE_UP_OBJECTS = (9, 5)
_SHRINK = 0.8  # each image is smaller than the one before it
_DRAWN, _CHOICE = 24, 8


def records_of_file(path: Path) -> list[Record]:
    """A file, twice, with boxes that are made up: so many small ones in a grid.

    Raises:
        DataError: the file is missing or broken.
    """
    height, width = read_image(path).shape[:2]
    return [
        {"file_name": str(path), "annotations": _grid(height, width, count)}
        for count in _MADE_UP_OBJECTS
    ]


def _grid(height: int, width: int, count: int) -> list[dict[str, Any]]:
    """Annotations of `count` objects, three a row."""
    cell = np.array([width / 3, height / -(-count // 3)])
    corners = [cell * (index % 3 + 0.2, index // 3 + 0.2) for index in range(count)]
    return [
        {"bbox": [*corner, *cell * 0.6], "category_id": index, "iscrowd": 0}
        for index, corner in enumerate(corners)
    ]


def records_of_dataset(
    node: DictConfig | None, folder: str | os.PathLike
) -> tuple[list[Record], int]:
    """A few records of a config's dataset that have objects, and its number of classes.

    Args:
        node: of the config that says which dataset; None: there is none.
        folder: an empty one, where images are drawn for a demo set, which is not written whole,
            and where there is no dataset.
    """
    own = node is not None and (node.get("json_file") or node.get("path"))
    name = None if node is None or own else node.get("names")
    is_demo = isinstance(name, str) and name in SPLITS
    dataset: Any = None
    if not is_demo:
        with suppress(DataError):
            dataset = instantiate(node)
    if not hasattr(dataset, "class_names"):
        dataset = drawn_dataset(name if is_demo else "shapes_train", folder)
    found = _with_objects(dataset) or _with_objects(drawn_dataset("shapes_train", folder))
    return found, len(dataset.class_names)


def drawn_dataset(name: str, folder: str | os.PathLike) -> DetectionDataset:
    """The first images of a demo set, drawn into an empty folder."""
    write_split(folder, dataclasses.replace(SPLITS[name], num_images=_DRAWN))
    return load_dataset(name, Path(folder) / "instances.json", Path(folder) / "images")


def _with_objects(records: Iterable[Record]) -> list[Record]:
    return list(islice((r for r in records if _num_objects(r) >= _ENOUGH_OBJECTS), _CHOICE))


def _num_objects(record: Record) -> int:
    return sum(not annotation["iscrowd"] for annotation in record["annotations"])


def choose(records: Sequence[Record], count: int, num_classes: int) -> list[Record]:
    """Records whose object counts can be told from each other and from K; else the first ones."""
    chosen: dict[int, Record] = {}
    for record in records:
        if (number := _num_objects(record)) not in (num_classes, num_classes + 1):
            chosen.setdefault(number, record)
    return (list(chosen.values()) if len(chosen) >= count else [*records] * count)[:count]


def size_for(num_queries: int, strides: Sequence[int]) -> int:
    """Pixels of the longer side for which maps of these strides have more tokens than queries."""
    tokens_a_pixel = sum(stride**-2 for stride in strides)
    needed = math.sqrt(1.6 * num_queries / tokens_a_pixel) if strides else 0
    return next((size for size in SIZES if size >= needed), SIZES[-1])


def batch(
    records: Sequence[Record], size: int, num_classes: int, **options: Any
) -> list[dict[str, Any]]:
    """Items in the detector's input format.

    Args:
        records: of B images.
        size: longer side of the first image in pixels; each further one is a fifth smaller.
        num_classes: classes beyond are counted from 0 again.
        options: of `DetrMapper`, such as `is_train`.
    """
    items = []
    for index, record in enumerate(records):
        annotations = [
            {**each, "category_id": each["category_id"] % num_classes}
            for each in record["annotations"]
        ]
        resize = ResizeShortestEdge(size, max_size=size * _SHRINK**index)
        mapper = DetrMapper([resize], **options)
        items.append(mapper({**record, "annotations": annotations}))
    return items
