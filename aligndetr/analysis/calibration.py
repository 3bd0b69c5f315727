"""Do scores say how good a detection is? Calibration errors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from aligndetr.analysis.matches import Matches, overlaps

BINS = 25


@dataclass(frozen=True)
class Reliability:
    """Detections by score: what they promise and what they are.

    Attributes:
        score: (B,) mean score of each bin, NaN where it is empty.
        quality: (B,) what the score should have been: the mean of hits, or of overlaps.
        count: (B,) detections.
    """

    score: np.ndarray
    quality: np.ndarray
    count: np.ndarray

    @property
    def error(self) -> float:
        """Expected calibration error: mean of |score - quality| over the detections, 0 to 1."""
        gaps = np.abs(self.score - self.quality)[self.count > 0]
        counts = self.count[self.count > 0]
        return float((gaps * counts).sum() / counts.sum()) if counts.size else float("nan")


def reliability(score: np.ndarray, quality: np.ndarray, bins: int = BINS) -> Reliability:
    """Detections in equal bins of scores from 0 to 1, each with its lower edge.

    Args:
        score: (D,) from 0 to 1.
        quality: (D,) from 0 to 1.
        bins: B.
    """
    place = np.minimum((score * bins).astype(np.int64), bins - 1)
    count = np.bincount(place, minlength=bins)
    with np.errstate(invalid="ignore"):
        means = (np.bincount(place, values, minlength=bins) / count for values in (score, quality))
        return Reliability(*means, count)


@dataclass(frozen=True)
class Calibration:
    """Errors from 0 to 1, lower is better.

    Attributes:
        ece: detection ECE: the score against whether an object is found at IoU 0.5 (Kueppers et
            al., CVPR workshops 2020).
        laece: the score against the IoU with the object that was found, 0 for none; by class, then
            the mean over classes with detections (Oksuz et al., CVPR 2023).
        oce: object-level: the Brier score of what covers each object, mean over IoU 0.5 and 0.75
            (Park et al., arXiv 2412.01782); see `object_errors`.
        diagram: of all detections against the overlap, which `laece` is about.
    """

    ece: float
    laece: float
    oce: float
    diagram: Reliability


def calibration(
    matches: Matches, thresholds: np.ndarray | None = None, score: np.ndarray | None = None
) -> Calibration:
    """Errors of the detections above a threshold each class.

    Low scores dominate the mean over all detections of a set predictor, which outputs a fixed
    number of them; therefore errors are stated of what is kept.

    Args:
        matches: all of a dataset's.
        thresholds: (K,) lowest score that counts; None takes all.
        score: (D,) to be judged instead of the detections' own, such as calibrated ones; the
            thresholds stay those of the detections' own.
    """
    found, row = matches.found, matches.place(0.5)
    judged = found.score if score is None else score
    kept = ~matches.ignored[row]
    if thresholds is not None:
        kept &= found.score >= np.asarray(thresholds)[found.label]
    quality, hit = matches.overlap(0.5), matches.hit[row].astype(np.float64)
    by_class = [
        reliability(judged[chosen], quality[chosen]).error
        for chosen in (kept & (found.label == label) for label in np.unique(found.label[kept]))
    ]
    return Calibration(
        ece=reliability(judged[kept], hit[kept]).error,
        laece=_mean(by_class),
        oce=_mean([_mean(object_errors(matches, judged, kept, iou)) for iou in (0.5, 0.75)]),
        diagram=reliability(judged[kept], quality[kept]),
    )


def object_errors(matches: Matches, score: np.ndarray, kept: np.ndarray, iou: float) -> np.ndarray:
    """(G,) Brier score of each object that is no crowd, from 0 (right and sure) to 2.

    Those detections that overlap an object enough, of whatever class, together say how probable
    each class is: the mean over them of their score for their class and 0 for the others. The
    object's own class has probability 1. An object that nothing covers costs 1.

    Args:
        matches: all of a dataset's.
        score: (D,) from 0 to 1.
        kept: (D,) bool, detections that count.
        iou: from which overlap on a detection covers an object.
    """
    objects, found = matches.objects, matches.found
    real = np.flatnonzero(~objects.crowd)
    errors = np.ones(len(objects))
    chosen = np.flatnonzero(kept)
    chosen = chosen[np.argsort(found.image[chosen], kind="stable")]
    images = found.image[chosen]
    for image in np.unique(objects.image[real]):
        begin, end = np.searchsorted(images, [image, image + 1])
        truth, detections = real[objects.image[real] == image], chosen[begin:end]
        no_crowd = np.zeros(len(truth), dtype=bool)
        covers = overlaps(found.boxes[detections], objects.boxes[truth], no_crowd) >= iou
        for place, index in enumerate(truth):
            covering = detections[covers[:, place]]
            if covering.size:
                likely = np.bincount(
                    found.label[covering], score[covering], minlength=len(matches.class_names)
                )
                likely = likely / covering.size
                likely[objects.label[index]] -= 1
                errors[index] = (likely**2).sum()
    return errors[real]


def _mean(values: Sequence[float] | np.ndarray) -> float:
    return float(np.mean(values)) if len(values) else float("nan")
