"""From scores to what they should have been: fitted on half of the images, judged on the rest."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from aligndetr.analysis.calibration import Calibration, calibration
from aligndetr.analysis.matches import Matches
from aligndetr.runtime.calibrator import Calibrator

MIN_DETECTIONS = 500
"""A class with fewer is calibrated by what all classes say together."""


def fit_isotonic(score: np.ndarray, quality: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Knots of the best rising function (isotonic regression), one a level of it.

    Args:
        score: (D,) from 0 to 1.
        quality: (D,) what the score should have been.
    """
    from scipy.optimize import isotonic_regression

    order = np.argsort(score, kind="stable")
    levels = isotonic_regression(quality[order])
    ends = levels.blocks
    means = [float(score[order][a:b].mean()) for a, b in itertools.pairwise(ends)]
    return np.array(means), levels.x[ends[:-1]]


def fit_linear(score: np.ndarray, quality: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Knots of the best straight line (least squares), constant if that would fall."""
    slope, offset = np.polyfit(score, quality, 1) if np.ptp(score) > 0 else (0.0, quality.mean())
    if slope < 0:
        slope, offset = 0.0, quality.mean()
    ends = np.array([0.0, 1.0])
    return ends, slope * ends + offset


METHODS = {"isotonic": fit_isotonic, "linear": fit_linear}


def fit(matches: Matches, method: str, images: np.ndarray | None = None) -> Calibrator:
    """A calibrator of scores against IoU with the object found at IoU 0.5, 0 for none.

    Args:
        matches: all of a dataset's.
        method: a key of `METHODS`.
        images: (N,) bool, those to fit on; None takes all.
    """
    found, row = matches.found, matches.place(0.5)
    kept = ~matches.ignored[row]
    if images is not None:
        kept &= images[found.image]
    quality = matches.overlap(0.5)
    knots = []
    for label in range(len(matches.class_names)):
        chosen = kept & (found.label == label)
        chosen = chosen if chosen.sum() >= MIN_DETECTIONS else kept
        if not chosen.any():
            return Calibrator(((np.zeros(1), np.zeros(1)),) * len(matches.class_names))
        knots.append(METHODS[method](found.score[chosen], quality[chosen]))
    return Calibrator(tuple(knots))


@dataclass(frozen=True)
class Judged:
    """Calibration of a half of the images before, and after what the other half taught.

    Attributes:
        before: of the scores as they are.
        after: by method.
    """

    before: Calibration
    after: dict[str, Calibration]


def judge(matches: Matches, thresholds: Sequence[float], seed: int = 0) -> Judged:
    """Fit every method on one half of the images and judge it on the other.

    Args:
        matches: all of a dataset's.
        thresholds: (K,) lowest scores that count in the judgement.
        seed: of the halves.
    """
    count = len(matches.image_ids)
    first = np.zeros(count, dtype=bool)
    first[np.random.default_rng(seed).permutation(count)[: count // 2]] = True
    other = of_images(matches, ~first)
    limits = np.asarray(thresholds)
    after = {}
    for method in METHODS:
        score = fit(matches, method, first)(other.found.score, other.found.label)
        after[method] = calibration(other, limits, score)
    return Judged(calibration(other, limits), after)


def of_images(matches: Matches, images: np.ndarray) -> Matches:
    """The matches of some images.

    Args:
        matches: all of a dataset's.
        images: (N,) bool.
    """
    objects, found = matches.objects, matches.found
    kept, seen = images[objects.image], images[found.image]
    new = np.append(np.cumsum(kept) - 1, -1)  # -1 is the last: no object
    matched = matches.matched[:, seen]
    return replace(
        matches,
        objects=type(objects)(*(column[kept] for column in vars(objects).values())),
        found=type(found)(*(column[seen] for column in vars(found).values())),
        matched=new[matched],
    )
