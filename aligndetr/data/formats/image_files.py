"""Image files in folders, and their sizes."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from aligndetr.data.images import read_size
from aligndetr.errors import DataError

SUFFIXES = {
    *(".jpg", ".jpeg", ".png", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".ppm", ".pgm", ".pnm"),
}


def is_image(name: str) -> bool:
    """Whether a file is an image that can be read, by its name; hidden files are none."""
    name = os.path.basename(name)
    return os.path.splitext(name)[1].lower() in SUFFIXES and not name.startswith(".")


def list_images(folder: Path) -> list[str]:
    """Paths of the images in a folder and those below it, relative to it with "/", sorted."""
    found = []
    for parent, _, names in os.walk(folder):
        for name in names:
            if is_image(name):
                found.append(Path(parent, name).relative_to(folder).as_posix())
    return sorted(found)


def read_sizes(paths: Sequence[Path]) -> list[tuple[int, int] | DataError]:
    """(height, width) of images that are turned upright, or why there is none; from headers."""

    def size_or_error(path: Path) -> tuple[int, int] | DataError:
        try:
            return read_size(path)
        except DataError as error:
            return error

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return list(pool.map(size_or_error, paths))


def find_root(candidates: Iterable[Path], file_name: str, path: Path) -> Path:
    """The first folder that has a file.

    Args:
        candidates: folders.
        file_name: what is looked for, relative to them: a dataset's first image.
        path: the annotation file, for the message.

    Raises:
        DataError: none of them has it; the message names them.
    """
    tried = list(dict.fromkeys(candidates))
    for folder in tried:
        if os.path.isfile(folder / file_name):
            return folder
    raise DataError(
        f"{path} begins with image {file_name}, which is in none of "
        f"{', '.join(str(folder) for folder in tried)}: give image_root"
    )


def folders_near(path: Path, split: str | None) -> list[Path]:
    """Where images of an annotation file usually are; the most particular places come first."""
    here, above = path.parent, path.parent.parent
    words = [split] if split else []
    words += {"val": ["valid", "validation"]}.get(split or "", [])
    words.append(path.stem.removeprefix("instances_"))
    folders = (here / "images", here, above / "images", above)
    particular = [folder / word for folder in folders for word in words]
    return [*particular, here, here / "images", above / "images", above]
