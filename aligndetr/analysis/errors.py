"""What is wrong with the detections: TIDE's kinds of errors, and which class is taken for which."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np

KINDS = {
    "Cls": "classification: the right place, another class",
    "Loc": "localisation: the right class, but IoU below 0.5",
    "Both": "another class and IoU below 0.5",
    "Dupe": "duplicate: the object was found by a more confident one",
    "Bkg": "background: no object with IoU of 0.1 or more",
    "Miss": "missed: an object that none of the errors above explains",
}


@dataclass(frozen=True)
class Errors:
    """Errors by kind, at IoU 0.5 (Bolya et al., "TIDE", ECCV 2020).

    Attributes:
        base: AP50 in percent.
        counts: errors of each kind.
        cost: AP50 that would be gained if a kind did not occur, in percent; these do not add up.
        false_positives: what would be gained without detections that found nothing.
        false_negatives: what would be gained if nothing were missed.
    """

    base: float
    counts: dict[str, int]
    cost: dict[str, float]
    false_positives: float
    false_negatives: float


@dataclass(frozen=True)
class Confusion:
    """Which class is taken for which, of detections above a threshold each class, IoU 0.5.

    Attributes:
        names: of the K classes.
        counts: (K + 1, K + 1), rows the truth, columns the detections; the last row holds
            detections of nothing, the last column objects that nothing found.
    """

    names: tuple[str, ...]
    counts: np.ndarray


def tide(ground_truth: Mapping[str, Any], annotations: Sequence[Mapping[str, Any]]) -> Errors:
    """Errors by kind, computed by hotcoco.

    Args:
        ground_truth: see `evaluation.ground_truth`.
        annotations: detections in COCO's results format.
    """
    evaluation = _evaluation(ground_truth, annotations)
    evaluation.evaluate()
    errors = evaluation.tide_errors()
    cost = {kind: 100 * value for kind, value in errors["delta_ap"].items()}
    return Errors(
        base=100 * errors["ap_base"],
        counts={kind: int(errors["counts"][kind]) for kind in KINDS},
        cost={kind: cost[kind] for kind in KINDS},
        false_positives=cost["FP"],
        false_negatives=cost["FN"],
    )


def confusion(
    ground_truth: Mapping[str, Any],
    annotations: Sequence[Mapping[str, Any]],
    thresholds: Sequence[float],
) -> Confusion:
    """The matrix, computed by hotcoco.

    Args:
        ground_truth: see `evaluation.ground_truth`.
        annotations: detections in COCO's results format.
        thresholds: lowest score that counts, for each class in the order of `categories`.
    """
    categories = ground_truth["categories"]
    lowest = {c["id"]: t for c, t in zip(categories, thresholds, strict=True)}
    kept = [a for a in annotations if a["score"] >= lowest[a["category_id"]]]
    matrix = _evaluation(ground_truth, kept).confusion_matrix(iou_thr=0.5)
    place = {category_id: index for index, category_id in enumerate(matrix["cat_ids"])}
    order = [*(place[category["id"]] for category in categories), len(categories)]
    counts = np.asarray(matrix["matrix"]).astype(np.int64)[np.ix_(order, order)]
    return Confusion(tuple(category["name"] for category in categories), counts)


def _evaluation(ground_truth: Mapping[str, Any], annotations: Sequence[Mapping[str, Any]]) -> Any:
    import hotcoco

    truth = hotcoco.COCO(cast("dict[str, Any]", ground_truth))
    found = truth.load_res([cast("dict[str, Any]", each) for each in annotations])
    return hotcoco.COCOeval(truth, found, "bbox")
