"""Which data stored predictions are about, in a file beside them."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from aligndetr.data.coco_json import parse_json
from aligndetr.errors import DataError
from aligndetr.files import atomic_write, sha256_of

DataRecord = dict[str, Any]
PREDICTIONS = "predictions"  # key of the digest of the file that a record goes with


def data_record(dataset, ground_truth: dict[str, Any]) -> DataRecord:
    """What tells a dataset from others, wherever it lies.

    Args:
        dataset: a `DetectionDataset`.
        ground_truth: its objects, see `evaluation.ground_truth`.

    Returns:
        `name`, `split`, `file` and `count` for people; `images`, a digest of ids and file names
        without folders, and `objects`, one of classes and annotations.
    """
    source = dataset.source
    records = (dataset[index] for index in range(len(dataset)))
    images = ((r["image_id"], os.path.basename(r.get("file_name", ""))) for r in records)
    keys = ("image_id", "category_id", "bbox", "iscrowd")
    objects = (tuple(entry[key] for key in keys) for entry in ground_truth["annotations"])
    classes = [(entry["id"], entry["name"]) for entry in ground_truth["categories"]]
    return {
        "name": dataset.name,
        "split": source and source.split,
        "file": source and str(source.path),
        "count": len(dataset),
        "images": _digest(sorted(images)),
        "objects": _digest([classes, *objects]),
    }


def record_path(predictions: Path) -> Path:
    """The file beside those predictions that says which data they are about."""
    return predictions.with_name(f"{predictions.stem}.data.json")


def write_record(predictions: Path, record: DataRecord) -> None:
    """Say beside predictions, which have been written, which data they are about.

    Raises:
        UserError: the file cannot be written.
    """
    with atomic_write(record_path(predictions)) as file:
        json.dump({**record, PREDICTIONS: sha256_of(predictions)}, file, indent=1)


def check_record(predictions: Path, data: DataRecord) -> None:
    """Refuse predictions that are known to be of other data.

    Of other data are those of other images; and, where names of files do not tell splits apart,
    those of a dataset with another name and other objects.

    Args:
        predictions: if nothing beside them says what they are about, they may be of any data; so
            they may if they were written anew by something else.
        data: see `data_record`; without `objects` only the images count.

    Raises:
        DataError: they are of other data; or what says so is damaged.
    """
    path = record_path(predictions)
    if not path.is_file() or not predictions.is_file():
        return
    stored = parse_json(path)
    if not isinstance(stored, dict) or not {*data, PREDICTIONS} <= stored.keys():
        raise DataError(f"{path} does not say which data the predictions are of: remove it")
    if stored[PREDICTIONS] != sha256_of(predictions) or _is_same(stored, data):
        return
    raise DataError(
        f"{predictions} holds predictions for {_told(stored)}, not for {_told(data)}: give the "
        "ground truth that they were made for, or evaluate on the other data (`aligndetr eval` "
        f"writes to a folder of its own). If both have the same images, remove {path}"
    )


def _is_same(stored: DataRecord, data: DataRecord) -> bool:
    if stored["images"] != data["images"]:
        return False
    same_objects = stored["objects"] == data.get("objects", stored["objects"])
    return same_objects or stored["name"] == data["name"]


def _told(data: DataRecord) -> str:
    return f"{data['name']} ({data['count']} images" + (
        f", {data['file']})" if data["file"] else ")"
    )


def _digest(items: Iterable[object]) -> str:
    digest = hashlib.sha256()
    for item in items:
        digest.update(f"{item}\n".encode())
    return digest.hexdigest()
