"""Pictures from a results json, long after the model has gone."""

from __future__ import annotations

import os
from collections import defaultdict
from pathlib import Path
from typing import Any

import torch

from aligndetr.data.coco_json import parse_json
from aligndetr.data.entries import check_entries
from aligndetr.errors import DataError
from aligndetr.runtime.drawing.picture_file import save_picture
from aligndetr.visualization.predictions import instances_of, truth_beside


def draw_json_results(
    results_json: str | os.PathLike,
    dataset,
    output_dir: str | os.PathLike,
    threshold: float = 0.5,
    count: int | None = None,
) -> list[Path]:
    """Draw ground truth and the predictions of a COCO results json side by side.

    Args:
        results_json: as `COCOEvaluator` or detectron2 writes it: a list of dict(image_id,
            category_id of the annotation file, bbox XYWH pixels, score).
        dataset: the DetectionDataset that was evaluated.
        output_dir: gets one PNG an image, named as the image file.
        threshold: predictions with a lower score are left out.
        count: draw only the first images of the dataset; None: all.

    Returns:
        The pictures' paths.

    Raises:
        DataError: the json is missing or broken, or does not belong to the dataset.
    """
    found = _by_image(read_results(results_json), dataset)
    paths = []
    for index in range(len(dataset) if count is None else min(count, len(dataset))):
        record = dataset[index]
        entries = found[record["image_id"]]
        instances = instances_of(entries, (record["height"], record["width"]), "pred")
        instances.scores = torch.tensor([entry["score"] for entry in entries])
        picture = truth_beside(record, instances, dataset.class_names, threshold)
        paths.append(Path(output_dir) / f"{Path(record['file_name']).stem}.png")
        save_picture(picture, paths[-1])
    return paths


def read_results(path: str | os.PathLike) -> list[dict[str, Any]]:
    """Read a COCO results json.

    Raises:
        DataError: it is missing, no JSON, no list of detections, or one of them is wrong.
    """
    results = parse_json(path)
    if not isinstance(results, list):
        raise DataError(f"{path} is not a COCO results file: a list of detections is expected")
    check_entries("results", results, path)
    return results


def _by_image(results: list[dict[str, Any]], dataset) -> dict[int, list[dict[str, Any]]]:
    """Detections of each image id, their categories as class indices."""
    known = {dataset[index]["image_id"] for index in range(len(dataset))}
    class_of = {category: index for index, category in enumerate(dataset.category_ids)}
    found = defaultdict(list)
    for entry in results:
        if entry["image_id"] not in known or entry["category_id"] not in class_of:
            raise DataError(
                f"a prediction for image id {entry['image_id']} and category id "
                f"{entry['category_id']} does not belong to the dataset {dataset.name!r}; "
                "give the dataset that was evaluated"
            )
        known_class = {"category_id": class_of[entry["category_id"]]}
        found[entry["image_id"]].append(entry | known_class)
    return found
