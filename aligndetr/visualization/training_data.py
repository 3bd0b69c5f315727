"""Pictures of what a model is trained on."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from itertools import chain, islice
from pathlib import Path
from typing import Any

from PIL import Image

from aligndetr.data.images import read_image
from aligndetr.visualization.draw import draw_instances
from aligndetr.visualization.predictions import ground_truth, save_picture


def draw_as_loaded(
    loader: Any, folder: str | os.PathLike, count: int, image_format: str = "RGB"
) -> list[Path]:
    """Draw images and boxes as the model gets them, augmented.

    Args:
        loader: yields batches of items with `image`, `instances` and `file_name`; its `dataset`
            names the classes.
        folder: gets one PNG an image, numbered.
        count: how many.
        image_format: "RGB" or "BGR", that of the items.

    Returns:
        The pictures' paths.
    """
    items = islice(chain.from_iterable(loader), count)
    return _save(_pictures_of_items(items, loader.dataset.class_names, image_format), folder)


def draw_as_annotated(dataset: Any, folder: str | os.PathLike, count: int) -> list[Path]:
    """Draw the first images of a dataset as they are; see `draw_as_loaded`."""
    return _save(_pictures_of_records(islice(dataset, count), dataset.class_names), folder)


def _pictures_of_items(
    items: Iterable[Mapping[str, Any]], names: list[str], image_format: str
) -> Iterator[tuple[str, Image.Image]]:
    for item in items:
        pixels = item["image"].permute(1, 2, 0).numpy()
        pixels = pixels[:, :, ::-1] if image_format == "BGR" else pixels
        yield item["file_name"], draw_instances(pixels, item["instances"], names)


def _pictures_of_records(
    records: Iterable[Mapping[str, Any]], names: list[str]
) -> Iterator[tuple[str, Image.Image]]:
    for record in records:
        pixels = read_image(record["file_name"])
        yield record["file_name"], draw_instances(pixels, ground_truth(record), names)


def _save(pictures: Iterable[tuple[str, Image.Image]], folder: str | os.PathLike) -> list[Path]:
    paths = []
    for number, (name, picture) in enumerate(pictures):
        paths.append(Path(folder) / f"{number:04d}_{Path(name).stem}.png")
        save_picture(picture, paths[-1])
    return paths
