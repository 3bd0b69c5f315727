"""Shards of `aligndetr shard`: tar files, and for each split an index that is a COCO file."""

from __future__ import annotations

import os
from pathlib import Path

from aligndetr.data.coco_json import read_coco_json
from aligndetr.data.formats.reading import Reading
from aligndetr.data.formats.source import Source
from aligndetr.data.formats.text_files import find_files

INDEX = ".shards.json.gz"  # ends the name of an index, which begins with the split


def find(path: Path) -> list[Source]:
    """Sources of an index, or of a folder of them."""
    is_place = os.path.isfile(path) or os.path.isdir(path)
    return find_files(path, "shards", f"*{INDEX}") if is_place else []


def read(source: Source) -> Reading:
    """Read a split; its images are members of the tar files beside the index.

    Raises:
        DataError: the index is missing or broken.
        EntriesError: entries are wrong.
    """
    return Reading(read_coco_json(source.path), source.path.parent)
