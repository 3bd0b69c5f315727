"""Which form a dataset has, from its path alone."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from aligndetr.data.formats import (
    coco,
    crowdhuman,
    csv_table,
    json_lines,
    shards,
    visdrone,
    voc,
    yolo,
)
from aligndetr.data.formats.conventions import check_conventions
from aligndetr.data.formats.reading import Reading
from aligndetr.data.formats.source import Source
from aligndetr.data.formats.text_files import split_of
from aligndetr.data.shards import is_url, mirror
from aligndetr.errors import DataError, some


class Format(NamedTuple):
    """How a form is recognised (None: only by a registered name), and read."""

    find: Callable[[Path], list[Source]] | None
    read: Callable[[Source], Reading]


FORMATS = {
    "coco": Format(coco.find, coco.read),
    "yolo": Format(yolo.find, yolo.read),
    "voc": Format(voc.find, voc.read),
    "csv": Format(csv_table.find, csv_table.read),
    "jsonl": Format(json_lines.find, json_lines.read),
    "crowdhuman": Format(crowdhuman.find, crowdhuman.read),
    "visdrone": Format(visdrone.find, visdrone.read),
    "shards": Format(shards.find, shards.read),
    "objects365": Format(None, coco.read_objects365),
}
_LOOKED_FOR = (
    "a .json of COCO, data.yaml (YOLO), Annotations/*.xml (Pascal VOC), .csv, metadata.jsonl, "
    ".odgt (CrowdHuman), annotations/*.txt beside images/ (VisDrone), *.shards.json.gz (shards)"
)


def read(source: Source) -> Reading:
    """Read a dataset of any form.

    Raises:
        DataError: it is missing, broken, or its boxes are no pixels; the message says where.
    """
    try:
        reading = FORMATS[source.format].read(source)
    except OSError as error:
        raise DataError(f"cannot read {source.path}: {error.strerror or error}") from error
    check_conventions(reading, source.path)
    return reading


def sources_at(path: str | os.PathLike) -> list[Source]:
    """All splits that lie at a path: a folder, an annotation file, or a URL of shards.

    Raises:
        DataError: there is nothing, no known form, or more than one.
    """
    path = mirror(os.fspath(path)) if is_url(path) else Path(path).expanduser()
    if not os.path.exists(path):
        raise DataError(f"dataset {path} does not exist")
    found = {name: form.find(path) for name, form in FORMATS.items() if form.find}
    found = {name: sources for name, sources in found.items() if sources}
    if not found:
        raise DataError(_nothing_at(path))
    if len(found) > 1:
        files = ", ".join(f"{sources[0].path} ({name})" for name, sources in found.items())
        raise DataError(f"{path} has several forms: give the path of one, {files}")
    return next(iter(found.values()))


def _nothing_at(path: Path) -> str:
    inside = [child for child in sorted(_folders(path)) if _is_dataset(child)]
    if inside:
        return f"{path} is no dataset itself; give the folder of one in it: {some(inside)}"
    return f"{path} is no dataset that can be read; looked for {_LOOKED_FOR}"


def _folders(path: Path) -> list[Path]:
    return [child for child in path.iterdir() if child.is_dir()] if path.is_dir() else []


def _is_dataset(path: Path) -> bool:
    try:
        return any(form.find(path) for form in FORMATS.values() if form.find)
    except (DataError, OSError):
        return False


def recognise(path: str | os.PathLike, split: str | None = None) -> Source:
    """The dataset at a path.

    Args:
        path: a folder, an annotation file, or a URL of shards.
        split: which part; None: all, where it is not divided, or an annotation file as it is.

    Raises:
        DataError: there is no such part; the message names those that there are.
    """
    sources = sources_at(path)
    if split is None and len(sources) == 1:
        return sources[0]
    if split in {source.split for source in sources} - {None}:
        return next(source for source in sources if source.split == split)
    same = [source for source in sources if split and split_of(source.split or "") == split]
    if same:
        return same[0]
    if split == "train" and len(sources) == 1 and os.path.isfile(path):
        return sources[0]
    raise DataError(_no_such_split(path, split, sources))


def _no_such_split(path: str | os.PathLike, split: str | None, sources: list[Source]) -> str:
    names = [source.split for source in sources if source.split]
    if split is None:
        return f"{path} has the splits {', '.join(names)}: say which, with split=..."
    if names:
        return (
            f"{path} has no {split} split, only {', '.join(names)}: give another path, or split=..."
        )
    return (
        f"{path} is not divided into train and val: `aligndetr convert-data {path} OUT --to coco "
        "--val 0.2` makes a copy that is (split=null takes all of it)"
    )
