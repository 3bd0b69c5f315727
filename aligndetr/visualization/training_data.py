"""Pictures of what a model is trained on."""

from __future__ import annotations

import os
from collections.abc import Iterable
from itertools import chain, islice
from pathlib import Path
from typing import Any

from aligndetr.data.images import read_image
from aligndetr.runtime.drawing.picture_file import save_picture
from aligndetr.visualization.draw import draw_instances
from aligndetr.visualization.predictions import ground_truth


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
    order = -1 if image_format == "BGR" else 1
    drawable = (
        (item["file_name"], item["image"].permute(1, 2, 0).numpy()[..., ::order], item["instances"])
        for item in items
    )
    return _draw(drawable, loader.dataset.class_names, folder)


def draw_as_annotated(dataset: Any, folder: str | os.PathLike, count: int) -> list[Path]:
    """Draw the first images of a dataset as they are; see `draw_as_loaded`."""
    drawable = (
        (record["file_name"], read_image(record["file_name"]), ground_truth(record))
        for record in islice(dataset, count)
    )
    return _draw(drawable, dataset.class_names, folder)


def _draw(
    drawable: Iterable[tuple], class_names: list[str], folder: str | os.PathLike
) -> list[Path]:
    """Of (file name, image, instances)."""
    paths = []
    for number, (name, image, instances) in enumerate(drawable):
        paths.append(Path(folder) / f"{number:04d}_{Path(name).stem}.png")
        save_picture(draw_instances(image, instances, class_names), paths[-1])
    return paths
