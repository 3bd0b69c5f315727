"""An image folder with JSON lines, as Hugging Face's `imagefolder` has it: `metadata.jsonl`.

A line is {"file_name": "1.jpg", "objects": {"bbox": [[x, y, w, h], ...], "categories": [...]}}
in pixels; `objects.iscrowd` may be there. Categories are names, or places in `classes.txt`.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from aligndetr.data.formats.reading import Reading
from aligndetr.data.formats.rows import Row, Rows, read_split
from aligndetr.data.formats.source import Source
from aligndetr.data.formats.text_files import find_files, numbered_lines, read_class_names

_LABELS = ("categories", "category", "label", "labels")


def find(path: Path) -> list[Source]:
    """Sources of a JSON lines file, or of a folder with such files."""
    return find_files(path, "jsonl", "*.jsonl")


def read(source: Source) -> Reading:
    """Read a split; classes are those of `classes.txt`, else all names in any split, sorted.

    Raises:
        DataError: no folder has the images.
        EntriesError: lines that cannot be used.
    """
    return read_split(source, "*.jsonl", _read_rows)


def _read_rows(path: Path) -> Rows:
    rows = Rows(path)
    names = read_class_names(path.parent)
    for number, line in numbered_lines(path):
        where = f"{path}:{number}"
        try:
            entry = json.loads(line)
        except (ValueError, RecursionError) as error:
            rows.add(Row(where, "", defect=f"is not valid JSON: {error}"))
            continue
        for row in _rows_of(entry, where, names):
            rows.add(row)
    return rows


def _rows_of(entry: Any, where: str, names: list[str] | None) -> list[Row]:
    name = entry.get("file_name") if isinstance(entry, dict) else None
    if not isinstance(name, str) or not name:
        return [Row(where, "", defect="has no file_name")]
    objects = entry.get("objects") or {}
    if not isinstance(objects, dict):
        return [Row(where, name, defect="has objects without bbox and categories")]
    boxes = objects.get("bbox", [])
    labels = next((objects[key] for key in _LABELS if key in objects), [])
    flags = objects.get("iscrowd", [0] * len(boxes) if isinstance(boxes, list) else [])
    parts = (boxes, labels, flags)
    if not all(isinstance(part, list) and len(part) == len(boxes) for part in parts):
        return [Row(where, name, defect="must have as many categories as boxes")]
    rows = [
        _row(box, label, flag, where, name, names) for box, label, flag in zip(*parts, strict=True)
    ]
    return rows or [Row(where, name)]


def _row(box: Any, label: Any, flag: Any, where: str, name: str, names: list[str] | None) -> Row:
    if type(box) is not list or len(box) != 4 or not all(type(v) in (int, float) for v in box):
        return Row(where, name, defect=f"has bbox {box!r:.80}; it must be [x, y, width, height]")
    if not all(abs(value) <= 1e9 for value in box):
        return Row(where, name, defect=f"has bbox {box!r:.80}; numbers must be within 1e9")
    if type(label) is int and names is not None:
        if not 0 <= label < len(names):
            text = f"has category {label}, but classes.txt has {len(names)} names"
            return Row(where, name, defect=text)
        label = names[label]
    if type(label) not in (int, str) or label == "":
        return Row(where, name, defect=f"has category {label!r:.80}; it must be a name")
    return Row(where, name, str(label), [float(value) for value in box], int(flag in (1, True)))
