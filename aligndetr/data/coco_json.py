"""COCO annotation files: reading them, and the checks that the loaders and the doctor share."""

from __future__ import annotations

import json
import math
import os
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from aligndetr.errors import DataError

Content = dict[str, list[dict[str, Any]]]


def read_coco_json(json_file: str | os.PathLike) -> Content:
    """The parsed file, with the parts and keys that everything else relies on.

    Returns:
        dict with the lists images, annotations (empty when absent) and categories.

    Raises:
        DataError: the file is missing, is not JSON (line and column are named), or is not COCO.
    """
    try:
        content = json.loads(Path(json_file).read_text(encoding="utf-8-sig"))
    except FileNotFoundError:
        raise DataError(
            f"annotation file {json_file} does not exist; check json_file, or for a registered "
            "dataset $DETECTRON2_DATASETS (default ./datasets)"
        ) from None
    except OSError as error:
        raise DataError(f"cannot read annotation file {json_file}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise DataError(f"{json_file} is not a text file: {error}") from error
    except json.JSONDecodeError as error:
        raise DataError(
            f"{json_file} is not valid JSON: {error.msg} at line {error.lineno}, column "
            f"{error.colno}; was it copied or downloaded completely?"
        ) from error
    if not isinstance(content, dict):
        raise DataError(f"{json_file} holds a {type(content).__name__}, not a COCO dictionary")
    content.setdefault("annotations", [])
    for part in _KEYS:
        _check_part(content, part, json_file)
    return content


def repeated(values: Iterable[Any]) -> dict[Any, int]:
    """Values that occur more than once, and how often."""
    return {value: count for value, count in Counter(values).items() if count > 1}


def strangers(content: Content, key: str) -> Iterator[tuple[int, dict[str, Any]]]:
    """Annotations, and where they are, whose "image_id" or "category_id" is the id of nothing."""
    part = {"image_id": "images", "category_id": "categories"}[key]
    known = {entry["id"] for entry in content[part]}
    for position, annotation in enumerate(content["annotations"]):
        if annotation[key] not in known:
            yield position, annotation


def box_defect(box: Any) -> str | None:
    """What makes a COCO box useless: "malformed" (not four finite numbers), "negative" or "zero".

    Returns:
        None for a box with a positive width and height.
    """
    if not isinstance(box, list) or len(box) != 4:
        return "malformed"
    if not all(isinstance(value, (int, float)) and math.isfinite(value) for value in box):
        return "malformed"
    if min(box[2:]) > 0:
        return None
    return "negative" if min(box[2:]) < 0 else "zero"


def entry_name(part: str, position: int, entry: Any) -> str:
    """What messages call an entry of a part, such as "images[0] (id 4)"."""
    named = f" (id {entry['id']})" if isinstance(entry, dict) and "id" in entry else ""
    return f"{part}[{position}]{named}"


_KEYS = {  # of each part: all that it needs, and those of them that are whole numbers
    "images": (("id", "file_name", "height", "width"), ("id", "height", "width")),
    "categories": (("id", "name"), ("id",)),
    "annotations": (("image_id", "category_id", "bbox"), ()),
}


def _check_part(content: dict, part: str, json_file: Any) -> None:
    """Refuse a part without the keys that everything else relies on; make whole numbers int."""
    entries = content.get(part)
    if not isinstance(entries, list):
        raise DataError(f"{json_file} has no list {part!r}: is it a COCO detection file?")
    required, whole = _KEYS[part]
    for position, entry in enumerate(entries):
        if defect := _entry_defect(entry, required, whole):
            raise DataError(f"{json_file}: {entry_name(part, position, entry)} {defect}")
        entry.update({key: int(entry[key]) for key in whole})


def _entry_defect(entry: Any, required: Iterable[str], whole: Iterable[str]) -> str | None:
    missing = [key for key in required if key not in entry] if isinstance(entry, dict) else required
    if missing:
        return f"lacks {', '.join(missing)}"
    for key in whole:
        value = entry[key]
        if not isinstance(value, (int, float)) or value != int(value):
            return f"has {key} {value!r}; it must be a whole number"
    return None
