"""From annotations of any form to records: one dict an image, classes counted from 0."""

from __future__ import annotations

import logging
import os
from dataclasses import dataclass
from typing import Any

from aligndetr.data.coco_json import Content, box_defect, repeated, strangers
from aligndetr.data.entries import entry_name
from aligndetr.data.formats import Source, read
from aligndetr.errors import DataError, some

logger = logging.getLogger(__name__)

Record = dict[str, Any]


@dataclass
class Records:
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


def read_records(source: Source) -> Records:
    """Read a dataset; what is odd is logged, as are boxes of zero size, which are left out.

    Raises:
        DataError: the file or folder is missing, the file is broken, or it contradicts itself;
            the message names the image, annotation or category.
    """
    reading = read(source)
    content, image_root = reading.content, reading.image_root
    if not image_root.is_dir():
        raise DataError(f"image folder {image_root} does not exist; check image_root")
    for words, examples in reading.remarks.items():
        logger.warning("%s: %d %s, such as %s", source.path, len(examples), words, examples[0])
    _refuse_contradictions(content, source.path)
    categories = sorted(content["categories"], key=lambda category: category["id"])
    category_ids = [category["id"] for category in categories]
    records = {
        image["id"]: {
            "file_name": os.path.join(image_root, image["file_name"]),
            "image_id": image["id"],
            "height": image["height"],
            "width": image["width"],
            "annotations": [],
        }
        for image in sorted(content["images"], key=lambda image: image["id"])
    }
    _attach(content["annotations"], records, category_ids, source.path)
    names = [category["name"] for category in categories]
    return Records(names, category_ids, list(records.values()))


def _refuse_contradictions(content: Content, path: Any) -> None:
    for part, key in (("images", "image_id"), ("categories", "category_id")):
        ids = sorted(entry["id"] for entry in content[part])
        if twice := repeated(ids):
            raise DataError(f"{path}: {part} must have unique ids; repeated: {some(twice)}")
        for position, annotation in strangers(content, key):
            raise DataError(
                f"{path}: {entry_name('annotations', position, annotation)} has {key} "
                f"{annotation[key]}, but the ids of the {part} are {some(ids)}"
            )


def _attach(
    annotations: list[dict], records: dict[int, Record], category_ids: list[int], path: Any
) -> None:
    contiguous = {category: index for index, category in enumerate(category_ids)}
    empty = []
    for number, annotation in enumerate(annotations):
        if box_defect(annotation["bbox"]):
            empty.append(annotation.get("id", number))
            continue
        box = [float(value) for value in annotation["bbox"]]
        records[annotation["image_id"]]["annotations"].append(
            {
                "bbox": box,
                "category_id": contiguous[annotation["category_id"]],
                "iscrowd": annotation.get("iscrowd", 0),
                "area": annotation.get("area", box[2] * box[3]),
                "id": annotation.get("id", number),
            }
        )
    if empty:
        logger.warning(
            "%s: left out %d boxes without a positive size (annotation ids %s)",
            path, len(empty), some(empty),
        )  # fmt: skip
