"""LVIS's average precision, for data of which each image is annotated for some classes only."""

from __future__ import annotations

import os
from typing import Any

import numpy as np

from aligndetr.errors import DataError
from aligndetr.evaluation.coco import ALL, COCOEvaluator, averages, percent


class LVISEvaluator(COCOEvaluator):
    """AP as LVIS defines it (Gupta et al. 2019, section 3.3), in percent; by hotcoco.

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
            DataError: see `check_data`.
        """
        import hotcoco

        federation = self._checked_federation()
        kept = {"images": [i for i in federation["images"] if i["id"] in self._index_of]}
        names = {category["id"]: category for category in self._ground_truth["categories"]}
        kept["categories"] = [{**c, **names[c["id"]]} for c in federation["categories"]]
        truth = hotcoco.COCO({**self._ground_truth, **kept})
        found = truth.load_res(annotations).cap_detections_per_image(self.max_dets)
        evaluation: Any = hotcoco.COCOeval(truth, found, "bbox", lvis_style=True)
        evaluation.params.max_dets = [self.max_dets]
        evaluation.evaluate()
        evaluation.accumulate()
        precision = evaluation.eval["precision"]
        by_id = sorted(federation["categories"], key=lambda category: category["id"])
        frequency = np.array([category["frequency"] for category in by_id])
        rarities = {f"AP{r}": percent(precision[:, :, frequency == r, ALL, -1]) for r in "rcf"}
        return averages(precision) | rarities

    def check_data(self) -> None:
        """Refuse a dataset that is not annotated like LVIS.

        Raises:
            DataError: it is not.
        """
        self._checked_federation()

    def _checked_federation(self) -> dict[str, list[dict]]:
        federation = self._federation
        if federation is None:
            raise DataError(f"{self.dataset.name} has no neg_category_ids: take COCOEvaluator")
        if any(c["frequency"] not in ("r", "c", "f") for c in federation["categories"]):
            raise DataError(f"{self.dataset.name}: categories must have a frequency, r, c or f")
        return federation
