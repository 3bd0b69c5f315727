"""COCO annotation files: reading, checking, and turning them into records."""

from __future__ import annotations

import json
import logging
import math
import os
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aligndetr.errors import DataError

logger = logging.getLogger(__name__)

Record = dict[str, Any]


@dataclass
class CocoContent:
    """What an annotation file says, in the form that training uses.

    Attributes:
        class_names: K names, by contiguous index.
        category_ids: K ids as in the file, ascending; index = contiguous class.
        records: one dict an image, ascending image id: file_name, image_id, height, width and
            annotations, a list of dict(bbox=[x, y, w, h] in pixels, category_id=contiguous
            index, iscrowd, area, id).
    """

    class_names: list[str]
    category_ids: list[int]
    records: list[Record]


def read_coco(json_file: str | os.PathLike, image_root: str | os.PathLike) -> CocoContent:
    """Read an annotation file; boxes of zero size are left out with one counted warning.

    Raises:
        DataError: the file or folder is missing, the file is broken, or it contradicts itself;
            the message names the image, annotation or category.
    """
    content = read_coco_json(json_file)
    if not Path(image_root).is_dir():
        raise DataError(f"image folder {image_root} does not exist; check image_root")
    categories = sorted(content["categories"], key=lambda category: category["id"])
    category_ids = [category["id"] for category in categories]
    _refuse_repeated(category_ids, "category", json_file)
    records = {}
    images = sorted(content["images"], key=lambda image: image["id"])
    _refuse_repeated([image["id"] for image in images], "image", json_file)
    for image in images:
        records[image["id"]] = {
            "file_name": os.path.join(image_root, image["file_name"]),
            "image_id": image["id"],
            "height": image["height"],
            "width": image["width"],
            "annotations": [],
        }
    _attach(content["annotations"], records, category_ids, json_file)
    names = [category["name"] for category in categories]
    return CocoContent(names, category_ids, list(records.values()))


def read_coco_json(json_file: str | os.PathLike) -> dict[str, list[dict[str, Any]]]:
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
    for part, keys in _REQUIRED_KEYS.items():
        _require_keys(content, part, keys, json_file)
    for part, keys in _WHOLE_NUMBERS.items():
        _require_whole_numbers(content[part], part, keys, json_file)
    return content


_REQUIRED_KEYS = {
    "images": ("id", "file_name", "height", "width"),
    "categories": ("id", "name"),
    "annotations": ("image_id", "category_id", "bbox"),
}
_WHOLE_NUMBERS = {"images": ("id", "height", "width"), "categories": ("id",)}


def _require_keys(content: dict, part: str, keys: Iterable[str], json_file: Any) -> None:
    entries = content.get(part)
    if not isinstance(entries, list):
        raise DataError(f"{json_file} has no list {part!r}: is it a COCO detection file?")
    for position, entry in enumerate(entries):
        missing = [key for key in keys if not isinstance(entry, dict) or key not in entry]
        if missing:
            where = f"{part}[{position}]"
            if isinstance(entry, dict) and "id" in entry:
                where += f" (id {entry['id']})"
            raise DataError(f"{json_file}: {where} lacks {', '.join(missing)}")


def _require_whole_numbers(
    entries: list[dict], part: str, keys: Iterable[str], json_file: Any
) -> None:
    for position, entry in enumerate(entries):
        for key in keys:
            value = entry[key]
            if not isinstance(value, (int, float)) or value != int(value):
                where = f"{json_file}: {part}[{position}]"
                raise DataError(f"{where} has {key} {value!r}; it must be a whole number")
            entry[key] = int(value)


def _refuse_repeated(ids: list[int], kind: str, json_file: Any) -> None:
    repeated = [identity for identity, count in Counter(ids).items() if count > 1]
    if repeated:
        named = ", ".join(map(str, repeated[:5])) + ", ..." * (len(repeated) > 5)
        raise DataError(f"{json_file}: {kind} ids must be unique; given more than once: {named}")


def _attach(
    annotations: list[dict], records: dict[int, Record], category_ids: list[int], json_file: Any
) -> None:
    contiguous = {category: index for index, category in enumerate(category_ids)}
    empty = []
    for number, annotation in enumerate(annotations):
        identity = annotation.get("id", number)
        record = records.get(annotation["image_id"])
        if record is None:
            raise DataError(
                f"{json_file}: annotation {identity} is for image id {annotation['image_id']}, "
                "which is not among the images"
            )
        if annotation["category_id"] not in contiguous:
            raise DataError(
                f"{json_file}: annotation {identity} has category id "
                f"{annotation['category_id']}, which is not among the categories {category_ids}"
            )
        if not has_extent(annotation["bbox"]):
            empty.append(identity)
            continue
        box = [float(value) for value in annotation["bbox"]]
        record["annotations"].append(
            {
                "bbox": box,
                "category_id": contiguous[annotation["category_id"]],
                "iscrowd": int(annotation.get("iscrowd", 0)),
                "area": float(annotation.get("area", box[2] * box[3])),
                "id": identity,
            }
        )
    if empty:
        logger.warning(
            "%s: left out %d boxes without a positive, finite size (annotation ids %s%s)",
            json_file, len(empty), ", ".join(map(str, empty[:5])), ", ..." * (len(empty) > 5),
        )  # fmt: skip


def has_extent(box: Any) -> bool:
    """Whether a COCO box is four finite numbers with positive width and height."""
    return (
        isinstance(box, list)
        and len(box) == 4
        and all(isinstance(value, (int, float)) and math.isfinite(value) for value in box)
        and box[2] > 0
        and box[3] > 0
    )
