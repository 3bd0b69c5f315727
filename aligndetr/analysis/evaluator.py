"""The analysis as an evaluator, so that a training follows its figures."""

from __future__ import annotations

from functools import cached_property

import numpy as np

from aligndetr.analysis.calibration import calibration
from aligndetr.analysis.curves import best_f1, best_lrp, curves
from aligndetr.analysis.errors import tide
from aligndetr.analysis.matches import match
from aligndetr.evaluation.coco import coco_annotations
from aligndetr.evaluation.detections import DetectionEvaluator, Detections
from aligndetr.evaluation.ground_truth import check_annotated_in_full, load_ground_truth


class AnalysisEvaluator(DetectionEvaluator):
    """What `aligndetr analyze` finds out, in a few numbers of percent, over all classes.

    - `F1`, `oLRP`: mean over the classes of the best F1 and LRP at IoU 0.5; oLRP is an error.
    - `LaECE`, `ECE`, `OCE`: calibration errors of the detections above the thresholds of F1.
    - `Cls`, `Loc`, `Both`, `Dupe`, `Bkg`, `Miss`: the AP50 that each kind of error costs.

    Args:
        dataset: a `DetectionDataset`.
    """

    task, title = "analysis", "Analysis"

    def metrics(self, detections: Detections) -> dict[str, float]:
        """The numbers above, NaN where there is nothing to find."""
        annotations = coco_annotations(detections, self.dataset.category_ids)
        matches = match(self._ground_truth, annotations)
        of_classes = curves(matches)
        f1 = [best_f1(curve) for curve in of_classes]
        errors = calibration(matches, np.array([best.threshold for best in f1]))
        return {
            "F1": _mean([best.value for best in f1]),
            "oLRP": _mean([best_lrp(curve).value for curve in of_classes]),
            "LaECE": 100 * errors.laece,
            "ECE": 100 * errors.ece,
            "OCE": 100 * errors.oce,
            **tide(self._ground_truth, annotations).cost,
        }

    def check_data(self) -> None:
        """Refuse a dataset that is annotated in parts only, see `check_annotated_in_full`."""
        check_annotated_in_full(self.dataset)

    @cached_property
    def _ground_truth(self) -> dict[str, list[dict]]:
        return load_ground_truth(self.dataset, set(self._index_of))


def _mean(values: list[float]) -> float:
    known = [value for value in values if not np.isnan(value)]
    return 100 * float(np.mean(known)) if known else float("nan")
