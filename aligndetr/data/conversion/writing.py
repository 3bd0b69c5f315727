"""What the writers of all forms share: images in their places, and a count of what is lost."""

from __future__ import annotations

import os
import shutil
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from aligndetr.data.formats import Reading
from aligndetr.data.images import read_file
from aligndetr.data.shards import member_of
from aligndetr.errors import DataError


@dataclass
class Part:
    """A split on its way into another form.

    Attributes:
        split: its name, or None.
        reading: what it holds.
        files: image id -> path that it will have below the folder of images.
        losses: what the form cannot hold, in words -> how many.
    """

    split: str | None
    reading: Reading
    files: dict[int, str] = field(init=False)
    losses: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        images = self.reading.content["images"]
        self.files = {image["id"]: _safe(image["file_name"]) for image in images}
        twice = [name for name, count in Counter(self.stems()).items() if count > 1]
        if twice:
            raise DataError(f"several images would be called {twice[0]}.*: rename them first")

    def stems(self) -> list[str]:
        """Names of the images without suffix."""
        return [str(PurePosixPath(name).with_suffix("")) for name in self.files.values()]

    def annotations(self) -> dict[int, list[dict[str, Any]]]:
        """Image id -> its annotations."""
        found: dict[int, list[dict[str, Any]]] = {image_id: [] for image_id in self.files}
        for annotation in self.reading.content["annotations"]:
            found[annotation["image_id"]].append(annotation)
        return found

    def place_images(self, folder: Path) -> None:
        """Link the images into a folder, or copy them where that cannot be.

        Raises:
            DataError: an image is missing.
        """
        for image in self.reading.content["images"]:
            target = folder / self.files[image["id"]]
            target.parent.mkdir(parents=True, exist_ok=True)
            _place(self.reading.image_root / image["file_name"], target)


def _place(source: Path, target: Path) -> None:
    if member_of(source):
        target.write_bytes(read_file(source))
        return
    source = source.resolve()
    if not source.is_file():
        raise DataError(f"image {source} does not exist")
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)


def _safe(file_name: str) -> str:
    """The name below a folder of images: paths that lead out of it lose their folders."""
    member = member_of(file_name)
    path = PurePosixPath(member.name if member else file_name)
    return path.name if path.is_absolute() or ".." in path.parts else str(path)


def contiguous(part: Part) -> dict[int, int]:
    """Category id -> place among the ascending ids."""
    ids = sorted(category["id"] for category in part.reading.content["categories"])
    return {identity: index for index, identity in enumerate(ids)}


def class_names(part: Part) -> list[str]:
    """Names in the order of the category ids."""
    categories = sorted(part.reading.content["categories"], key=lambda category: category["id"])
    return [category["name"] for category in categories]


def cut(bbox: list[float], width: int, height: int) -> tuple[float, float, float, float]:
    """(x0, y0, x1, y1) of a box [x, y, w, h], cut to the image."""
    x, y, w, h = bbox
    return max(x, 0), max(y, 0), min(x + w, width), min(y + h, height)


NO_AREA = "areas that are not width x height"
CUT = "boxes reaching over the edge (cut)"
OUTSIDE = "boxes outside of their image (left out)"


def note_losses(part: Part, annotation: dict[str, Any], corners: tuple[float, ...]) -> bool:
    """Count what no form but COCO holds; False when nothing of the box is in the image."""
    x, y, w, h = annotation["bbox"]
    part.losses[NO_AREA] += abs(annotation.get("area", w * h) - w * h) > 1e-3 * max(w * h, 1)
    is_inside = corners[2] >= corners[0] and corners[3] >= corners[1]
    if not is_inside:
        part.losses[OUTSIDE] += 1
    elif corners != (x, y, x + w, y + h):
        part.losses[CUT] += 1
    return is_inside
