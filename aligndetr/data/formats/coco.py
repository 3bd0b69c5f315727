"""COCO: one JSON file a split, and LVIS and Objects365, which differ in the names of images."""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path

from aligndetr.data.coco_json import read_coco_json
from aligndetr.data.formats.image_files import find_root, folders_near
from aligndetr.data.formats.reading import Reading
from aligndetr.data.formats.source import Source
from aligndetr.data.formats.text_files import find_files

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
    if source.image_root is not None:
        return Reading(content, source.image_root)
    first = content["images"][0]["file_name"]
    root = find_root(folders_near(source.path, source.split), first, source.path)
    return Reading(content, root)


def read_objects365(source: Source) -> Reading:
    """Read Objects365, whose names begin with folders that its archives do not have.

    `images/v2/patch16/a.jpg` in the file is `patch16/a.jpg` on disk.
    """
    reading = read(dataclasses.replace(source, image_root=source.image_root or Path()))
    for image in reading.content["images"]:
        image["file_name"] = "/".join(image["file_name"].split("/")[-2:])
    return reading
