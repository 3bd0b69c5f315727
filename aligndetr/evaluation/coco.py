"""COCO's average precision and recall of boxes."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from aligndetr.errors import DataError
from aligndetr.evaluation.detections import DetectionCollector, Detections
from aligndetr.evaluation.evaluator import DatasetEvaluator, Results
from aligndetr.evaluation.ground_truth import load_ground_truth
from aligndetr.evaluation.report import copypaste_lines, results_table
from aligndetr.files import atomic_write

logger = logging.getLogger(__name__)

PREDICTIONS_FILE = "coco_instances_results.json"


class COCOEvaluator(DatasetEvaluator):
    """The twelve numbers of COCO (Lin et al. 2014), and the AP of each class, in percent.

    Computed by faster-coco-eval, whose numbers are those of pycocotools. Ground truth comes from
    the dataset's json, crowd regions included, restricted to the images and classes of the
    dataset.

    Args:
        dataset: a `DetectionDataset`: `json_file`, `class_names`, `category_ids` and records
            with `image_id`.
        output_dir: folder for `coco_instances_results.json`, the predictions with the json's own
            category ids; None writes nothing.
        max_dets: detections that count per image and class, best scores first.

    Raises:
        ValueError: `max_dets` is not above 10 (AR1 and AR10 are always reported).
    """

    def __init__(
        self, dataset, output_dir: str | os.PathLike | None = None, max_dets: int = 100
    ) -> None:
        if max_dets <= 10:
            raise ValueError(f"max_dets must be above 10, got {max_dets}")
        self.dataset = dataset
        self.output_dir = output_dir
        self.max_dets = max_dets
        self.reset()

    def reset(self) -> None:
        """Forget all predictions."""
        self._collector = DetectionCollector()

    def process(self, inputs: Sequence[dict], outputs: Sequence[dict[str, Any]]) -> None:
        """Take one batch; boxes are xyxy pixels of the original images.

        Raises:
            DataError: an `image_id` that the dataset does not have.
        """
        for item, output in zip(inputs, outputs, strict=True):
            if item["image_id"] not in self._image_ids:
                raise DataError(
                    f"prediction for image id {item['image_id']}, which the dataset "
                    f"{self.dataset.name!r} does not have; evaluate with the dataset that the "
                    "loader reads (dataloader.evaluator.dataset)"
                )
            self._collector.add(item["image_id"], output["instances"])

    def evaluate(self) -> Results:
        """`{"bbox": {AP, AP50, AP75, APs, APm, APl, AR1, AR10, AR100, ARs, ARm, ARl, AP-<class>}}`.

        NaN where there is nothing to find: a class, or a size, without objects.
        """
        detections = self._collector.gather()
        if detections is None:
            return {}
        missing = len(self._image_ids) - len(detections.image_ids)
        if missing:
            logger.warning("%d images of the dataset were not seen; they count as missed", missing)
        annotations = coco_annotations(detections, self.dataset.category_ids)
        if self.output_dir is not None:
            path = Path(self.output_dir) / PREDICTIONS_FILE
            write_annotations(annotations, path)
            logger.info("predictions written to %s", path)
        metrics = coco_metrics(
            self._ground_truth, annotations, self.dataset.class_names, self.max_dets
        )
        logger.info("\n%s", results_table(metrics, f"Boxes in {self.dataset.name}"))
        for line in copypaste_lines({"bbox": metrics}):
            logger.info(line)
        return {"bbox": metrics}

    @cached_property
    def _image_ids(self) -> set[int]:
        return {self.dataset[index]["image_id"] for index in range(len(self.dataset))}

    @cached_property
    def _ground_truth(self) -> dict[str, list[dict]]:
        return load_ground_truth(self.dataset, self._image_ids)


def coco_annotations(detections: Detections, category_ids: Sequence[int]) -> list[dict]:
    """Detections in COCO's results format: XYWH pixels, the json's own category ids.

    Raises:
        DataError: a class index that the dataset does not have.
    """
    classes = detections.classes
    if len(classes) and classes.max() >= len(category_ids):
        raise DataError(
            f"class {classes.max()} predicted, but the dataset has {len(category_ids)} classes; "
            "model.num_classes must be the number of classes of the data"
        )
    boxes = detections.boxes.astype(np.float64)
    boxes[:, 2:] -= boxes[:, :2]
    columns = (
        detections.image_of_each.tolist(),
        np.asarray(category_ids)[classes].tolist(),
        boxes.tolist(),
        detections.scores.tolist(),
    )
    names = ("image_id", "category_id", "bbox", "score")
    return [dict(zip(names, values, strict=True)) for values in zip(*columns, strict=True)]


def write_annotations(annotations: list[dict], path: str | os.PathLike) -> None:
    """Write a results json, whole or not at all."""
    with atomic_write(path) as file:
        file.write(json.dumps(annotations))  # json.dump is ten times slower


def coco_metrics(
    ground_truth: dict[str, list[dict]],
    annotations: list[dict],
    class_names: Sequence[str],
    max_dets: int = 100,
) -> dict[str, float]:
    """COCO's numbers in percent, NaN where there is nothing to find.

    Args:
        ground_truth: images, annotations (with `iscrowd`, `area`) and categories of a COCO json.
        annotations: detections in COCO's results format.
        class_names: names in the order of the category ids.
        max_dets: detections that count per image and class.
    """
    from faster_coco_eval import COCO, COCOeval_faster

    numbered = [
        {**a, "id": i, "area": a["bbox"][2] * a["bbox"][3], "iscrowd": 0}
        for i, a in enumerate(annotations, start=1)
    ]
    evaluation = COCOeval_faster(
        COCO(ground_truth),
        COCO({**ground_truth, "annotations": numbered}),
        iouType="bbox",
        print_function=logger.debug,
    )
    evaluation.params.maxDets = [1, 10, max_dets]
    evaluation.run()
    averages = ("AP", "AP50", "AP75", "APs", "APm", "APl")
    recalls = ("AR1", "AR10", f"AR{max_dets}", "ARs", "ARm", "ARl")
    metrics = {
        name: _percent(value)
        for name, value in zip(averages + recalls, evaluation.stats[:12], strict=True)
    }
    # precision: (thresholds, recalls, classes by ascending id, areas, max_dets)
    precision = np.asarray(evaluation.eval["precision"])[:, :, :, 0, -1]
    ids = [category["id"] for category in ground_truth["categories"]]
    for name, position in zip(class_names, np.argsort(np.argsort(ids)), strict=True):
        found = precision[:, :, position]
        found = found[found > -1]  # -1: no objects of this class
        metrics[f"AP-{name}"] = _percent(found.mean() if found.size else -1)
    return metrics


def _percent(value: float) -> float:
    return float(value) * 100 if value >= 0 else float("nan")
