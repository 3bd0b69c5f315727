"""COCO's average precision and recall of boxes."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, cast

import numpy as np

from aligndetr.errors import DataError
from aligndetr.evaluation.data_record import data_record, write_record
from aligndetr.evaluation.detections import DetectionEvaluator, Detections
from aligndetr.evaluation.ground_truth import load_federation, load_ground_truth
from aligndetr.files import atomic_write

logger = logging.getLogger(__name__)

ALL = 0  # place of the range of areas that leaves nothing out
PREDICTIONS_FILE = "coco_instances_results.json"


class COCOEvaluator(DetectionEvaluator):
    """The twelve numbers of COCO (Lin et al. 2014), and the AP of each class, in percent.

    Computed by hotcoco, whose numbers are those of pycocotools. Ground truth comes from
    the dataset's json, crowd regions included, restricted to the images and classes of the
    dataset.

    Args:
        dataset: a `DetectionDataset`: `source`, `class_names`, `category_ids` and records
            with `image_id`.
        output_dir: folder for `coco_instances_results.json`, the predictions with the json's own
            category ids, and a file that says which data they are about; None writes nothing.
        max_dets: detections that count per image and class, best scores first.

    Raises:
        ValueError: `max_dets` is not above 10 (AR1 and AR10 are always reported).
    """

    task, title = "bbox", "Boxes"

    def __init__(
        self, dataset, output_dir: str | os.PathLike | None = None, max_dets: int = 100
    ) -> None:
        if max_dets <= 10:
            raise ValueError(f"max_dets must be above 10, got {max_dets}")
        super().__init__(dataset)
        self.output_dir = output_dir
        self.max_dets = max_dets

    def metrics(self, detections: Detections) -> dict[str, float]:
        """AP, AP50, AP75, APs, APm, APl, AR1, AR10, AR100, ARs, ARm, ARl and AP-<class>.

        NaN where there is nothing to find: a class, or a size, without objects.
        """
        missing = len(self._index_of) - len(detections)
        if missing:
            logger.warning("%d images of the dataset were not seen; they count as missed", missing)
        annotations = coco_annotations(detections, self.dataset.category_ids)
        if self.output_dir is not None:
            path = Path(self.output_dir) / PREDICTIONS_FILE
            with atomic_write(path) as file:
                file.write(json.dumps(annotations))  # json.dump is ten times slower
            write_record(path, data_record(self.dataset, self._ground_truth))
            logger.info("predictions written to %s", path)
        return self.compare(annotations)

    def compare(self, annotations: list[dict]) -> dict[str, float]:
        """Numbers of detections in COCO's results format.

        Raises:
            DataError: see `check_data`.
        """
        self.check_data()
        names = self.dataset.class_names
        return coco_metrics(self._ground_truth, annotations, names, self.max_dets)

    def check_data(self) -> None:
        """Refuse a dataset that is annotated in parts only, as LVIS is.

        Raises:
            DataError: it is.
        """
        if self._federation is not None:
            raise DataError(
                f"{self.dataset.name} lists negative and not exhaustive categories (LVIS), which "
                "COCO's AP would count as mistakes: set dataloader.evaluator._target_="
                "aligndetr.evaluation.lvis.LVISEvaluator"
            )

    @cached_property
    def _ground_truth(self) -> dict[str, list[dict]]:
        return load_ground_truth(self.dataset, set(self._index_of))

    @cached_property
    def _federation(self) -> dict[str, list[dict]] | None:
        return load_federation(self.dataset)


def coco_annotations(detections: Detections, category_ids: Sequence[int]) -> list[dict]:
    """Detections in COCO's results format: XYWH pixels, the json's own category ids.

    Raises:
        DataError: a class index that the dataset does not have.
    """
    rows = np.concatenate([np.zeros((0, 6), np.float32), *detections.values()])
    boxes, classes = rows[:, :4].astype(np.float64), rows[:, 5].astype(np.int64)
    if len(classes) and classes.max() >= len(category_ids):
        raise DataError(
            f"class {classes.max()} predicted, but the dataset has {len(category_ids)} classes; "
            "model.num_classes must be the number of classes of the data"
        )
    boxes[:, 2:] -= boxes[:, :2]
    columns = (
        [image_id for image_id, found in detections.items() for _ in found],
        np.asarray(category_ids)[classes].tolist(),
        boxes.tolist(),
        rows[:, 4].tolist(),
    )
    names = ("image_id", "category_id", "bbox", "score")
    return [dict(zip(names, values, strict=True)) for values in zip(*columns, strict=True)]


def coco_metrics(
    ground_truth: Mapping[str, Sequence[Mapping[str, Any]]],
    annotations: Sequence[Mapping[str, Any]],
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
    import hotcoco

    truth = hotcoco.COCO(cast("dict[str, Any]", ground_truth))
    found = truth.load_res(cast("list[dict[str, Any]]", annotations))
    evaluation: Any = hotcoco.COCOeval(truth, found, "bbox")
    evaluation.params.max_dets = limits = [1, 10, max_dets]
    evaluation.evaluate()
    evaluation.accumulate()
    # precision: (thresholds, recalls, classes by ascending id, areas, limits); recall: no recalls
    precision, recall = evaluation.eval["precision"], evaluation.eval["recall"]
    metrics = {
        **averages(precision),
        **{f"AR{limit}": percent(recall[..., ALL, i]) for i, limit in enumerate(limits)},
        **{f"AR{size}": percent(recall[..., i, -1]) for i, size in enumerate("sml", start=1)},
    }
    ids = [category["id"] for category in ground_truth["categories"]]
    for name, position in zip(class_names, np.argsort(np.argsort(ids)), strict=True):
        metrics[f"AP-{name}"] = percent(precision[:, :, position, ALL, -1])
    return metrics


def averages(precision: np.ndarray) -> dict[str, float]:
    """AP, AP50, AP75, APs, APm and APl, of all classes.

    Args:
        precision: (10 thresholds, recalls, classes, 4 ranges of areas, limits), -1 for none.
    """
    return {
        "AP": percent(precision[..., ALL, -1]),
        "AP50": percent(precision[0, ..., ALL, -1]),
        "AP75": percent(precision[5, ..., ALL, -1]),
        **{f"AP{size}": percent(precision[..., i, -1]) for i, size in enumerate("sml", start=1)},
    }


def percent(values: np.ndarray) -> float:
    """Mean of what is there, 100 times; -1 marks what is not."""
    found = values[values > -1]
    return 100 * float(found.mean()) if found.size else float("nan")
