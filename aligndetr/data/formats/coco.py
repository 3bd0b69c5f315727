"""COCO: one JSON file a split, and LVIS and Objects365, which differ in the names of images."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from aligndetr.data.coco_json import read_coco_json
from aligndetr.data.formats.image_files import find_root, folders_near
from aligndetr.data.formats.named_images import MISSING, UNNAMED, NamedImages
from aligndetr.data.formats.reading import Reading
from aligndetr.data.formats.source import Source
from aligndetr.data.formats.text_files import files_of_other_splits, find_files
from aligndetr.errors import DataError

_FOLDERS = ("annotations", "coco", ".")
_MAIN = "instances_*.json"  # beside captions_, person_keypoints_ and the like


def find(path: Path) -> list[Source]:
    """Sources of a JSON file, or of a folder with such files, in it or in `annotations/`."""
    if os.path.isfile(path):
        return find_files(path, "coco", "*.json")
    folders = [path / name for name in _FOLDERS if os.path.isdir(path / name)]
    found = (find_files(f, "coco", pattern) for f in folders for pattern in (_MAIN, "*.json"))
    return next(filter(None, found), [])


def read(source: Source) -> Reading:
    """Read a split; without an `image_root` the usual folders are searched for the first image.

    Raises:
        DataError: the file is missing or broken, or no folder has its images.
        EntriesError: entries are wrong.
    """
    content = read_coco_json(source.path)
    names = [image["file_name"] for image in content["images"]]
    root = source.image_root or find_root(
        folders_near(source.path, source.split), names[0], source.path
    )
    return Reading(content, root, _remarks(source, root, names))


def read_objects365(source: Source) -> Reading:
    """Read Objects365, whose names begin with folders that its archives do not have.

    `images/v2/patch16/a.jpg` in the file is `patch16/a.jpg` on disk.
    """
    content, root = read_coco_json(source.path), source.image_root or Path()
    for image in content["images"]:
        image["file_name"] = "/".join(image["file_name"].split("/")[-2:])
    names = [image["file_name"] for image in content["images"]]
    return Reading(content, root, _remarks(source, root, names))


def _remarks(source: Source, root: Path, names: list[str]) -> dict[str, list[str]]:
    """What the file and its folders say differently.

    Images that are missing are no reason to refuse the file: evaluation and the doctor read it,
    too, and a training may be told to skip them. A folder that was given for a single file may
    belong to other files as well, which are not known here.
    """
    if not os.path.isdir(root):
        return {}
    images = NamedImages(root, names)
    remarks = {MISSING: images.missing()}
    if source.image_root is None or source.split is not None:
        remarks[UNNAMED] = images.unnamed(_other_splits(source.path))
    return {words: found for words, found in remarks.items() if found}


def _other_splits(path: Path) -> Iterator[tuple[Path, list[str]]]:
    for other in files_of_other_splits(path, _MAIN if path.match(_MAIN) else "*.json"):
        try:
            content = read_coco_json(other)
        except DataError:
            continue  # captions, or of another split, whose reading will name it
        yield other, [image["file_name"] for image in content["images"]]
