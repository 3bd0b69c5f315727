"""What a score threshold does to each class: precision, recall, F1 and LRP, and the best ones."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from aligndetr.analysis.matches import Matches


@dataclass(frozen=True)
class Curve:
    """One class at every score at which a detection appears, from the highest down.

    A threshold keeps the detections whose score is at least that high.

    Attributes:
        name: of the class.
        objects: how many there are to find.
        score: (N,) falling thresholds.
        true: (N,) objects found.
        false: (N,) detections that found none.
        error: (N,) sum of 1 - IoU over the objects found.
        iou: from which overlap on an object is found.
    """

    name: str
    objects: int
    score: np.ndarray
    true: np.ndarray
    false: np.ndarray
    error: np.ndarray
    iou: float

    @property
    def precision(self) -> np.ndarray:
        """(N,) share of the detections that found an object."""
        return self.true / (self.true + self.false)

    @property
    def recall(self) -> np.ndarray:
        """(N,) share of the objects that were found."""
        return self.true / self.objects

    @property
    def f1(self) -> np.ndarray:
        """(N,) harmonic mean of precision and recall."""
        return 2 * self.true / (self.true + self.false + self.objects)

    @property
    def lrp(self) -> np.ndarray:
        """(N,) Localisation Recall Precision error (Oksuz et al., TPAMI 2021, eq. 3): 0 is perfect.

        Each object found costs (1 - IoU) / (1 - threshold of IoU), each miss and each false
        detection 1, over all three.
        """
        missed = self.objects - self.true
        cost = self.error / (1 - self.iou) + missed + self.false
        return cost / (self.true + missed + self.false)

    def at(self, threshold: float) -> int:
        """Place of the lowest score that a threshold keeps, -1 if it keeps none."""
        return int(np.searchsorted(-self.score, -threshold, side="right")) - 1

    def operated_at(self, threshold: float) -> tuple[float, float]:
        """(precision, recall) of what a threshold keeps; NaN without objects or detections."""
        place = self.at(threshold)
        if place < 0 or not self.objects:
            return float("nan"), float("nan")
        return float(self.precision[place]), float(self.recall[place])


@dataclass(frozen=True)
class Best:
    """The threshold that is best for a class, and what it gives.

    Attributes:
        threshold: lowest score that counts; 1 if the class has no detection worth keeping.
        value: F1 or LRP there, from 0 to 1; NaN for a class without objects.
    """

    threshold: float
    value: float


def curves(matches: Matches, iou: float = 0.5) -> list[Curve]:
    """One a class, with its matches at one threshold of IoU."""
    found, objects, row = matches.found, matches.objects, matches.place(iou)
    hit, counted = matches.hit[row], ~matches.ignored[row]
    error = np.where(hit, 1 - matches.overlap(iou), 0)
    result = []
    for label, name in enumerate(matches.class_names):
        chosen = counted & (found.label == label)
        score = found.score[chosen]
        last = np.flatnonzero(np.append(np.diff(score) != 0, len(score) > 0))  # equal scores: one
        true, all_errors = np.cumsum(hit[chosen])[last], np.cumsum(error[chosen])[last]
        count = int(((objects.label == label) & ~objects.crowd).sum())
        result.append(Curve(name, count, score[last], true, last + 1 - true, all_errors, iou))
    return result


def best_f1(curve: Curve) -> Best:
    """The threshold with the highest F1, the highest of several."""
    return _best(curve, curve.f1, np.argmax, 0.0)


def best_lrp(curve: Curve) -> Best:
    """The threshold with the lowest LRP, whose value is the optimal LRP (oLRP)."""
    return _best(curve, curve.lrp, np.argmin, 1.0)


def _best(curve: Curve, values: np.ndarray, which, of_nothing: float) -> Best:
    if not curve.objects:
        return Best(1.0, float("nan"))
    if not len(values):
        return Best(1.0, of_nothing)
    place = int(which(values))
    return Best(float(curve.score[place]), float(values[place]))
