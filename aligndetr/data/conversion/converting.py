"""`convert`: a dataset of any form to COCO, YOLO or Pascal VOC."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from aligndetr.data.conversion import to_coco, to_shards, to_voc, to_yolo
from aligndetr.data.conversion.splitting import divide
from aligndetr.data.conversion.writing import Part
from aligndetr.data.formats import Reading, read, sources_at
from aligndetr.data.formats.text_files import split_of
from aligndetr.errors import DataError, some
from aligndetr.files import UNFINISHED, writing

WRITERS = {
    "coco": to_coco.write,
    "yolo": to_yolo.write,
    "voc": to_voc.write,
    "shards": to_shards.write,
}


@dataclass
class Conversion:
    """What was written.

    Attributes:
        sizes: split -> (images, boxes) that went in.
        losses: what the form cannot hold, in words -> how many.
        remarks: what was odd about the input, in words -> how many.
    """

    sizes: dict[str, tuple[int, int]]
    losses: Counter[str]
    remarks: Counter[str]


def convert(
    path: str | os.PathLike,
    output: str | os.PathLike,
    to: str,
    shares: dict[str, float] | None = None,
    **options: Any,
) -> Conversion:
    """Write a dataset in another form, all splits and the images; whole or not at all.

    Args:
        path: a folder or an annotation file of any form that `formats` knows.
        output: a folder that is not there yet.
        to: coco, yolo, voc or shards.
        shares: part -> share of the images, such as {"val": 0.2}, for data without such parts: of
            all images, or of those of train; the rest becomes train.
        options: further arguments of the form's `write`.

    Raises:
        DataError: the data cannot be read or divided, or the output folder exists.
        UserError: the output cannot be written.
    """
    output = Path(output)
    if output.exists():
        raise DataError(f"{output} exists: choose another output folder")
    sources = sources_at(path)
    readings = {source.split: read(source) for source in sources}
    remarks: Counter[str] = Counter()
    for reading in readings.values():
        remarks.update({words: len(lines) for words, lines in reading.remarks.items()})
    if shares:
        readings = _with_shares(path, readings, shares)
    parts = [Part(split, reading) for split, reading in readings.items()]
    _check_classes(parts)
    with writing(output):
        _write_whole(parts, output, partial(WRITERS[to], **options))
    losses = sum((part.losses for part in parts), Counter())
    return Conversion({part.split or "all": _size(part) for part in parts}, losses, remarks)


def _with_shares(
    path: str | os.PathLike, readings: dict[str | None, Reading], shares: dict[str, float]
) -> dict[str | None, Reading]:
    """Divide what is to be divided, and keep the rest."""
    usual = {split_of(split or "") or split: split for split in readings}
    whole = next(iter(readings)) if len(readings) == 1 else usual.get("train")
    if (len(readings) > 1 and shares.keys() & usual.keys()) or whole not in readings:
        raise DataError(f"{path} has splits already: {', '.join(map(str, readings))}")
    others = {split: reading for split, reading in readings.items() if split != whole}
    return {**divide(readings[whole], shares), **others}


def _size(part: Part) -> tuple[int, int]:
    return len(part.reading.content["images"]), len(part.reading.content["annotations"])


def _check_classes(parts: list[Part]) -> None:
    names = {part.split: [c["name"] for c in part.reading.content["categories"]] for part in parts}
    first = parts[0].split
    for split, found in names.items():
        if found != names[first]:
            raise DataError(
                f"{first} and {split} have different classes: "
                f"{_difference(str(first), names[first], str(split), found)}; give all splits the "
                "same list (categories of COCO files, or classes.txt)"
            )


def _difference(first: str, names: list[str], second: str, others: list[str]) -> str:
    more = {
        first: [name for name in names if name not in others],
        second: [name for name in others if name not in names],
    }
    found = [f"only {split} has {some(only)}" for split, only in more.items() if only]
    in_order = f"{first} has {some(names)}, {second} in another order {some(others)}"
    return " and ".join(found) or in_order


def _write_whole(parts: list[Part], output: Path, write: Callable) -> None:
    output.parent.mkdir(parents=True, exist_ok=True)
    beside = Path(tempfile.mkdtemp(UNFINISHED, f".{output.name}.", output.parent))
    try:
        folder = beside / "new"
        folder.mkdir()
        write(parts, folder)
        os.replace(folder, output)
    finally:
        shutil.rmtree(beside, ignore_errors=True)
