"""The parts of the demo set, drawn on first use, always the same."""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from aligndetr.data.demo_shapes.scene import HARD, PLAIN, Style, draw_scene
from aligndetr.errors import DataError
from aligndetr.files import atomic_write

_VERSION = "3"
_MARKER = "finished.txt"


@dataclasses.dataclass(frozen=True)
class Split:
    """A part of the demo set: how it looks, how many images, and the seed of its images."""

    style: Style
    num_images: int
    seed: int


SPLITS = {
    "shapes_train": Split(PLAIN, 2000, 1),
    "shapes_val": Split(PLAIN, 300, 2),
    "shapes_mini_train": Split(PLAIN, 16, 5),  # to see that a large model runs at all
    "shapes_mini_val": Split(PLAIN, 8, 6),
    "shapes_hard_train": Split(HARD, 2000, 3),
    "shapes_hard_val": Split(HARD, 300, 4),
    "shapes_hard_dev": Split(HARD, 300, 7),  # to choose settings on, so that val stays unseen
}


def ensure_shapes(name: str, root: str | os.PathLike) -> Path:
    """Draw a split unless it is there already.

    It is written beside its place and then moved there, under a lock: a reader sees all of it
    or nothing, a kill leaves nothing behind that would be used, and of several processes one
    draws while the others wait.

    Args:
        name: a key of `SPLITS`.
        root: the dataset root.

    Returns:
        The folder that holds `instances.json` and `images/`.

    Raises:
        DataError: the folder cannot be written.
    """
    folder = Path(root) / name
    if _is_finished(folder):
        return folder
    from iopath.common.file_io import file_lock

    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with file_lock(str(folder.with_name(f".{name}"))):
            if not _is_finished(folder):
                _replace(folder, SPLITS[name])
    except OSError as error:
        raise DataError(
            f"cannot write the demo set to {folder}: {error.strerror or error}; "
            "set $DETECTRON2_DATASETS to a folder that can be written"
        ) from error
    return folder


def write_split(folder: str | os.PathLike, split: Split) -> None:
    """Draw the images and write `images/*.png`, `instances.json` and the marker into `folder`."""
    folder = Path(folder)
    (folder / "images").mkdir(parents=True)
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    for index in range(split.num_images):
        scene = draw_scene(split.style, np.random.default_rng([split.seed, index]))
        identity, file_name = index + 1, f"{index + 1:06d}.png"
        height, width = scene.pixels.shape[:2]
        Image.fromarray(scene.pixels).save(folder / "images" / file_name, compress_level=3)
        images.append({"id": identity, "file_name": file_name, "height": height, "width": width})
        for annotation in scene.annotations:
            number = len(annotations) + 1
            annotations.append({"id": number, "image_id": identity, **annotation})
    content = {
        "info": {"description": "shapes, drawn by aligndetr", "version": _VERSION},
        "licenses": [],
        "images": images,
        "annotations": annotations,
        "categories": [
            {"id": identity, "name": name, "supercategory": "shape"}
            for name, identity in split.style.categories.items()
        ],
    }
    with atomic_write(folder / "instances.json") as file:
        json.dump(content, file)
    with atomic_write(folder / _MARKER) as file:
        file.write(_VERSION)


def _is_finished(folder: Path) -> bool:
    marker = folder / _MARKER
    return marker.is_file() and marker.read_text() == _VERSION


def _replace(folder: Path, split: Split) -> None:
    beside = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
    try:
        write_split(beside / "new", split)
        if folder.exists():
            os.replace(folder, beside / "old")
        os.replace(beside / "new", folder)
    finally:
        shutil.rmtree(beside, ignore_errors=True)
