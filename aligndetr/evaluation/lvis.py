"""LVIS's average precision, for data of which each image is annotated for some classes only."""

from __future__ import annotations

import logging
import os
from collections import defaultdict

import numpy as np

from aligndetr.errors import DataError
from aligndetr.evaluation.coco import COCOEvaluator

logger = logging.getLogger(__name__)

_NAMES = ("AP", "AP50", "AP75", "APs", "APm", "APl")
_RARITIES = ("APr", "APc", "APf")


class LVISEvaluator(COCOEvaluator):
    """AP as LVIS defines it (Gupta et al. 2019, section 3.3), in percent; by faster-coco-eval.

    A detection of a class that an image was not looked through for does not count, nor does one
    without object where the class is "not exhaustive". The best 300 detections of an image count,
    of all classes together.

    Args:
        dataset: of a file with `neg_category_ids`, `not_exhaustive_category_ids` and `frequency`.
        output_dir: folder for the predictions; None writes nothing.
        max_dets: detections that count per image.
    """

    def __init__(
        self, dataset, output_dir: str | os.PathLike | None = None, max_dets: int = 300
    ) -> None:
        super().__init__(dataset, output_dir, max_dets)

    def compare(self, annotations: list[dict]) -> dict[str, float]:
        """AP, AP50, AP75, by size (s, m, l), and by how frequent classes are (r, c, f).

        Raises:
            DataError: the dataset is not of this kind.
        """
        from faster_coco_eval import COCO, COCOeval_faster

        federation = self._federation
        if federation is None:
            raise DataError(f"{self.dataset.name} has no neg_category_ids: take COCOEvaluator")
        if any(c["frequency"] not in ("r", "c", "f") for c in federation["categories"]):
            raise DataError(f"{self.dataset.name}: categories must have a frequency, r, c or f")
        kept = {"images": [i for i in federation["images"] if i["id"] in self._index_of]}
        names = {category["id"]: category for category in self._ground_truth["categories"]}
        kept["categories"] = [{**c, **names[c["id"]]} for c in federation["categories"]]
        truth = {**self._ground_truth, **kept}
        numbered = [
            {**a, "id": i, "area": a["bbox"][2] * a["bbox"][3], "iscrowd": 0}
            for i, a in enumerate(_best(annotations, self.max_dets), start=1)
        ]
        evaluation = COCOeval_faster(
            COCO(truth),
            COCO({**truth, "annotations": numbered}),
            iouType="bbox",
            lvis_style=True,
            print_function=logger.debug,
        )
        evaluation.params.maxDets = [self.max_dets]
        evaluation.run()
        values = [*evaluation.all_stats[:6], *evaluation.all_stats[-3:]]
        return {
            name: float(value) * 100 if value >= 0 else float("nan")
            for name, value in zip(_NAMES + _RARITIES, values, strict=True)
        }


def _best(annotations: list[dict], count: int) -> list[dict]:
    """The best detections of each image, whatever their class."""
    by_image: dict[int, list[dict]] = defaultdict(list)
    for annotation in annotations:
        by_image[annotation["image_id"]].append(annotation)
    kept = []
    for found in by_image.values():
        order = np.argsort([-annotation["score"] for annotation in found], kind="stable")
        kept += [found[index] for index in order[:count]]
    return kept
