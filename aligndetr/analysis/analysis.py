"""Everything that stored predictions say about a detector, as plain values."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from aligndetr.analysis.bootstrap import Interval, average_precision_intervals
from aligndetr.analysis.calibrator import Judged, judge
from aligndetr.analysis.curves import Best, Curve, best_f1, best_lrp, curves
from aligndetr.analysis.errors import Confusion, Errors, confusion, tide
from aligndetr.analysis.matches import Matches, by_image, match
from aligndetr.analysis.slices import Slice, slices
from aligndetr.evaluation.alignment import Alignment, alignment_metrics, image_alignment
from aligndetr.evaluation.coco import coco_metrics


@dataclass(frozen=True)
class Analysis:
    """A detector on a dataset.

    Attributes:
        metrics: COCO's, in percent.
        intervals: of AP, AP50, AP75 and each class's AP, 95 %.
        curves: one a class, at IoU 0.5.
        f1: the best threshold of each class by F1.
        lrp: the best threshold of each class by LRP.
        errors: TIDE's kinds.
        confusion: of the detections above `f1`.
        slices: recall by what objects are like.
        calibration: errors of the detections above `f1`, before and after a calibrator.
        alignment: of each object's best-regressed and most confident detection, the diagnosis of
            AlignDETR; see `evaluation.alignment`.
        matches: what all this was made from.
    """

    metrics: dict[str, float]
    intervals: dict[str, Interval]
    curves: list[Curve]
    f1: list[Best]
    lrp: list[Best]
    errors: Errors
    confusion: Confusion
    slices: dict[str, list[Slice]]
    calibration: Judged
    alignment: Alignment
    matches: Matches

    @property
    def thresholds(self) -> list[float]:
        """(K,) lowest score that counts for each class, those with the best F1."""
        return [best.threshold for best in self.f1]


def analyze(
    ground_truth: Mapping[str, Sequence[Mapping[str, Any]]],
    annotations: Sequence[Mapping[str, Any]],
    sizes: np.ndarray | None = None,
    rounds: int = 200,
) -> Analysis:
    """Measure everything.

    Args:
        ground_truth: see `evaluation.ground_truth`.
        annotations: detections in COCO's results format.
        sizes: (N, 2) width and height of each image of the ground truth, if known.
        rounds: of the bootstrap; its time grows with them.
    """
    names = [category["name"] for category in ground_truth["categories"]]
    matches = match(ground_truth, annotations)
    of_classes = curves(matches)
    f1 = [best_f1(curve) for curve in of_classes]
    thresholds = [best.threshold for best in f1]
    return Analysis(
        metrics=coco_metrics(ground_truth, annotations, names),
        intervals=average_precision_intervals(matches, rounds),
        curves=of_classes,
        f1=f1,
        lrp=[best_lrp(curve) for curve in of_classes],
        errors=tide(ground_truth, annotations),
        confusion=confusion(ground_truth, annotations, thresholds),
        slices=slices(matches, sizes),
        calibration=judge(matches, thresholds),
        alignment=_alignment(matches),
        matches=matches,
    )


def _alignment(matches: Matches) -> Alignment:
    """Of all objects but crowds, image by image."""
    objects, found = matches.objects, matches.found
    real = np.flatnonzero(~objects.crowd)
    seen, truth = (
        by_image(images, len(matches.image_ids)) for images in (found.image, objects.image[real])
    )
    parts = []
    for mine, theirs in zip(seen, truth, strict=True):
        predicted = (found.boxes[mine], found.score[mine], found.label[mine])
        these = real[theirs]
        parts.append(image_alignment(*predicted, objects.boxes[these], objects.label[these]))
    return Alignment.cat(parts)


def plain(analysis: Analysis) -> dict[str, Any]:
    """What `analysis.json` holds; NaN becomes None, as JSON has none."""
    result = {
        "metrics": analysis.metrics,
        "intervals": {name: asdict(value) for name, value in analysis.intervals.items()},
        "classes": [_class(analysis, place) for place in range(len(analysis.curves))],
        "errors": asdict(analysis.errors),
        "confusion": {
            "names": [*analysis.confusion.names, "background"],
            "counts": analysis.confusion.counts,
        },
        "slices": {
            name: [{**asdict(part), "average": part.average} for part in parts]
            for name, parts in analysis.slices.items()
        },
        "calibration": {
            "before": asdict(analysis.calibration.before),
            "after": {name: asdict(value) for name, value in analysis.calibration.after.items()},
        },
        "alignment": alignment_metrics(analysis.alignment),
    }
    return jsonable(result)


def _class(analysis: Analysis, place: int) -> dict[str, Any]:
    curve, f1, lrp = analysis.curves[place], analysis.f1[place], analysis.lrp[place]
    precision, recall = curve.operated_at(f1.threshold)
    return {
        "name": curve.name,
        "objects": curve.objects,
        "AP": analysis.metrics[f"AP-{curve.name}"],
        "f1": asdict(f1),
        "lrp": asdict(lrp),
        "precision": precision,
        "recall": recall,
    }


def jsonable(value: Any) -> Any:
    """Plain lists, dicts and numbers; what is not finite becomes None, as JSON has none."""
    if isinstance(value, Mapping):
        return {key: jsonable(entry) for key, entry in value.items()}
    if isinstance(value, np.ndarray | np.generic):
        value = value.tolist()
    if isinstance(value, list | tuple):
        return [jsonable(entry) for entry in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
