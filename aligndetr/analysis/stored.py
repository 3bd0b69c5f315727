"""Predictions that lie in a file, with the objects that they are about."""

from __future__ import annotations

import math
import os
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf

from aligndetr.analysis.matches import Matches, match
from aligndetr.config import LazyConfig, instantiate
from aligndetr.config.trust import check_trust
from aligndetr.data import DetectionDataset
from aligndetr.data.coco_json import parse_json
from aligndetr.data.records import Record
from aligndetr.errors import DataError
from aligndetr.evaluation.coco import PREDICTIONS_FILE
from aligndetr.evaluation.data_places import missing_place
from aligndetr.evaluation.data_record import check_record, data_record
from aligndetr.evaluation.ground_truth import check_annotated_in_full, load_ground_truth
from aligndetr.evaluation.run_files import CONFIG_FILE

PREDICTIONS_PLACES = (PREDICTIONS_FILE, f"inference/{PREDICTIONS_FILE}")  # ours, detectron2's
KEYS = ("image_id", "category_id", "bbox", "score")


def find_predictions(path: str | os.PathLike) -> Path:
    """The predictions of a run's folder (ours, or detectron2's with its `inference`), or a file.

    Raises:
        DataError: there are none.
    """
    path = Path(path)
    if not path.is_dir():
        return path
    for place in PREDICTIONS_PLACES:
        if (path / place).exists():
            return path / place
    raise DataError(
        f"{path} has no {PREDICTIONS_FILE}: was it evaluated? `aligndetr eval --checkpoint` of one "
        "of its checkpoints writes it, to a folder that it names"
    )


def dataset_of_run(folder: str | os.PathLike) -> DetectionDataset:
    """What a run was evaluated on, by its config; of that config nothing else is built.

    Raises:
        DataError: there is no config, or the data are not there.
        ConfigError: it is broken, or names what a config that comes as data may not.
    """
    path = Path(folder) / CONFIG_FILE
    if not path.exists():
        raise DataError(f"there is no {path}: name the ground truth by --json-file")
    config, key = LazyConfig.read(path), "dataloader.test.dataset"
    node = OmegaConf.select(config, key)
    if node is None:
        raise DataError(f"{path} has no {key}: name the ground truth by --json-file")
    check_trust(node, path)
    try:
        return instantiate(node)
    except DataError as error:
        place = missing_place(config, key)
        if place is None:
            raise
        remedy = "go to where it was trained, or name the ground truth by --json-file"
        raise DataError(f"{error}{place.explain(str(path), remedy)}") from error


def objects_of(dataset: DetectionDataset) -> dict[str, Any]:
    """All objects of a dataset, see `evaluation.ground_truth`; `info` says whose they are.

    Raises:
        DataError: it cannot be read, or is annotated in parts only.
    """
    check_annotated_in_full(dataset)
    truth = load_ground_truth(dataset, {record["image_id"] for record in dataset})
    return {**truth, "info": data_record(dataset, truth)}


def records_of(dataset: DetectionDataset, matches: Matches) -> list[Record]:
    """Records of the images, in the order of `Matches.image_ids`."""
    by_id = {record["image_id"]: record for record in dataset}
    return [by_id[image_id] for image_id in matches.image_ids.tolist()]


def matches_of_run(folder: str | os.PathLike, dataset: DetectionDataset) -> Matches:
    """A run's stored predictions, matched with the objects of a dataset.

    Raises:
        DataError: see `find_predictions` and `read_predictions`.
    """
    truth = objects_of(dataset)
    return match(truth, read_predictions(find_predictions(folder), truth))


def read_predictions(path: str | os.PathLike, ground_truth: dict[str, Any]) -> list[dict[str, Any]]:
    """Detections in COCO's results format, checked.

    Args:
        path: a list, as COCO's tools write it, or a dict with the list `annotations`, as
            `aligndetr predict` does.
        ground_truth: the objects that they are about, see `evaluation.ground_truth`; if it has
            `info`, as that of `objects_of` does, the detections must be of the same data, as far
            as they say what they are of (`evaluation.data_record`).

    Raises:
        DataError: the file is missing or broken, an entry lacks something or is not finite, or
            the detections are of other data, images or classes.
    """
    if "info" in ground_truth:
        check_record(Path(path), ground_truth["info"])
    content = parse_json(path)
    if isinstance(content, dict):
        content = content.get("annotations")
    if not isinstance(content, list):
        raise DataError(f"{path} holds no list of detections; {PREDICTIONS_FILE} of a run does")
    for number, entry in enumerate(content):
        wrong = _defect(entry)
        if wrong:
            raise DataError(f"{path}: detection {number} {wrong}")
    for key, part in (("image_id", "images"), ("category_id", "categories")):
        known = {entry["id"] for entry in ground_truth[part]}
        strange = {entry[key] for entry in content} - known
        if strange:
            raise DataError(
                f"{path} is about another dataset: {len(strange)} of its {part} are not in the "
                f"ground truth, such as {key} {min(strange)}; give the json that it was made for"
            )
    return content


def _defect(entry: Any) -> str:
    """What is wrong with a detection, as the end of a sentence; empty if nothing is."""
    if not isinstance(entry, dict):
        return f"is a {type(entry).__name__}, not a dictionary"
    missing = [key for key in KEYS if key not in entry]
    if missing:
        return f"has no {' and no '.join(missing)}"
    box = entry["bbox"]
    if not isinstance(box, list) or len(box) != 4 or not all(map(_finite, box)):
        return f"has the box {str(box)[:60]}, not four finite numbers"
    if not _finite(entry["score"]) or not 0 <= entry["score"] <= 1:
        return f"has the score {str(entry['score'])[:60]}, not a number from 0 to 1"
    odd = [key for key in KEYS[:2] if type(entry[key]) is not int]
    return f"has the {odd[0]} {str(entry[odd[0]])[:60]}, not a whole number" if odd else ""


def _finite(value: Any) -> bool:
    return type(value) in (int, float) and math.isfinite(value)
