"""How alike two results are, and how alike they must be."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from aligndetr.export.eager import Result

COUNTS_FROM = 0.1  # score; lower detections are not compared one by one


@dataclass(frozen=True)
class Tolerance:
    """What a file may do otherwise than the detector in float32.

    Attributes:
        logit: of the logits of a query that counts as alike.
        box: of its box, normalised.
        queries: least share of queries that are alike, in percent. Not all can be: where two
            proposals have almost the same score, rounding decides which comes first.
        score, overlap: of a detection that counts as matched: difference of scores, and IoU.
        matched: least share of matched detections, in percent.
        precision_lost: most AP that may be lost.
        needs_precision: whether AP decides alone, so that it must be known.
    """

    logit: float
    box: float
    queries: float | None
    score: float
    overlap: float
    matched: float | None
    precision_lost: float
    needs_precision: bool = False


TOLERANCES = {
    "fp32": Tolerance(2e-3, 5e-4, 98.0, 0.01, 0.95, 99.0, 0.1),
    "fp16": Tolerance(5e-2, 5e-3, 75.0, 0.03, 0.90, 97.0, 0.3),
    "int8": Tolerance(5e-2, 5e-3, None, 0.10, 0.75, None, 0.5, needs_precision=True),
}


def tolerance_of(precision: str, max_ap_drop: float | None = None) -> Tolerance:
    """The tolerance of a precision, with another limit of AP where one is given."""
    tolerance = TOLERANCES[precision]
    return tolerance if max_ap_drop is None else replace(tolerance, precision_lost=max_ap_drop)


class Alike(NamedTuple):
    """Two results of one image.

    Attributes:
        queries: (Q,) bool.
        logit, box: the largest differences.
        median: of the differences of logits.
    """

    queries: np.ndarray
    logit: float
    box: float
    median: float


def alike(expected: Result, found: Result, tolerance: Tolerance) -> Alike:
    """Compare queries; one that is not finite is not alike, and of another number none is."""
    if expected.logits.shape != found.logits.shape:
        nothing = np.zeros(len(expected.logits), dtype=bool)
        return Alike(nothing, float("inf"), float("inf"), float("inf"))
    logit = np.abs(expected.logits - found.logits).max(axis=1)
    box = np.abs(expected.query_boxes - found.query_boxes).max(axis=1)
    same = (logit <= tolerance.logit) & (box <= tolerance.box)
    return Alike(same, float(logit.max()), float(box.max()), float(np.median(logit)))


def matched(expected: np.ndarray, found: np.ndarray, tolerance: Tolerance) -> tuple[int, int]:
    """How many detections are the same in both, and how many there are in the larger one.

    Args:
        expected, found: (M, 6) box, score and class, best first.
        tolerance: what "the same" means.
    """
    expected, found = (rows[rows[:, 4] >= COUNTS_FROM] for rows in (expected, found))
    free = np.ones(len(found), dtype=bool)
    count = 0
    for row in expected:
        fits = free & (found[:, 5] == row[5])
        fits &= np.abs(found[:, 4] - row[4]) <= tolerance.score
        overlap = np.where(fits, _iou(row[:4], found[:, :4]), -1.0)
        if len(overlap) and overlap.max() >= tolerance.overlap:
            free[overlap.argmax()] = False
            count += 1
    return count, max(len(expected), len(found))


def _iou(box: np.ndarray, others: np.ndarray) -> np.ndarray:
    low = np.maximum(box[:2], others[:, :2])
    high = np.minimum(box[2:], others[:, 2:])
    shared = (high - low).clip(min=0).prod(axis=1)
    areas = (others[:, 2:] - others[:, :2]).prod(axis=1)
    return shared / (areas + (box[2:] - box[:2]).prod() - shared)
