"""Which detection is wrong, and in which way: the single cases behind what `errors` counts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from aligndetr.analysis.errors import KINDS
from aligndetr.analysis.matches import Matches, by_image, overlaps

NAMES = tuple(KINDS)
NONE = -1
MOST = 100  # detections of an image that the confusion matrix takes, as hotcoco
_LEAST, _ENOUGH = 0.1, 0.5  # IoU: below, there is nothing; from there on, it is the object


@dataclass(frozen=True)
class Mistakes:
    """TIDE's kinds (Bolya et al., ECCV 2020) at IoU 0.5, one by one.

    Attributes:
        kind: (D,) index into `NAMES` of each detection, -1 if it is right or in a crowd region.
        object: (D,) object that a wrong detection is about, -1 if there is none.
        missed: (M,) objects that nothing found and no mistake explains.
    """

    kind: np.ndarray
    object: np.ndarray
    missed: np.ndarray


def find_mistakes(matches: Matches) -> Mistakes:
    """The kind of every wrong detection, and the objects that are missed.

    Args:
        matches: all of a dataset's.
    """
    row = matches.place(_ENOUGH)
    kind, about = (np.full(len(matches.found), NONE) for _ in range(2))
    for detections, objects in _images(matches, matches.matched[row] < 0):
        iou = _plain_overlaps(matches, detections, objects)
        same = matches.found.label[detections, None] == matches.objects.label[None, objects]
        kind[detections], nearest = _kinds(np.where(same, iou, 0), np.where(same, 0, iou))
        about[detections] = np.append(objects, NONE)[nearest]
    explained = about[np.isin(kind, [NAMES.index("Loc"), NAMES.index("Cls")])]
    found = matches.matched[row, matches.hit[row]]
    real = np.flatnonzero(~matches.objects.crowd)
    return Mistakes(kind, about, np.setdiff1d(real, np.concatenate([explained, found])))


def _kinds(own: np.ndarray, other: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(D,) kind of wrong detections, and (D,) place of the object that each is about, or -1.

    Args:
        own: (D, G) IoU with objects of the same class, 0 for those of others.
        other: (D, G) IoU with objects of other classes, likewise.
    """
    best, best_other = (part.max(axis=1, initial=0) for part in (own, other))
    own, other = (np.append(part, np.zeros((len(part), 1)), 1).argmax(1) for part in (own, other))
    cases = {
        "Loc": ((best >= _LEAST) & (best < _ENOUGH), own),
        "Cls": (best_other >= _ENOUGH, other),
        "Dupe": (best >= _ENOUGH, own),
        "Bkg": (np.maximum(best, best_other) < _LEAST, np.full(len(best), NONE)),
        "Both": (np.ones(len(best), dtype=bool), other),
    }
    conditions, places = zip(*cases.values(), strict=True)
    kinds = [np.full(len(best), NAMES.index(name)) for name in cases]
    return np.select(conditions, kinds), np.select(conditions, places)


@dataclass(frozen=True)
class Taken:
    """Detections above the thresholds and the objects that they cover, of whatever class.

    Attributes:
        object: (P,) index, -1 for a detection of nothing.
        found: (P,) index, -1 for an object that nothing covers.
    """

    object: np.ndarray
    found: np.ndarray


def taken_for(matches: Matches, thresholds: Sequence[float]) -> Taken:
    """The pairs that `errors.confusion` counts: the most confident detection chooses first.

    Crowd regions take no part.

    Args:
        matches: all of a dataset's.
        thresholds: (K,) lowest score that counts for each class.
    """
    kept = matches.found.score >= np.asarray(thresholds)[matches.found.label]
    pairs: list[tuple[int, int]] = []
    for detections, objects in _images(matches, kept):
        detections = detections[:MOST]
        iou = _plain_overlaps(matches, detections, objects)
        free = np.ones(len(objects), dtype=bool)
        for row, detection in enumerate(detections.tolist()):
            fits = np.flatnonzero(free & (iou[row] >= _ENOUGH))
            place = fits[iou[row, fits].argmax()] if fits.size else None
            pairs.append((NONE if place is None else int(objects[place]), detection))
            if place is not None:
                free[place] = False
        pairs += [(int(index), NONE) for index in objects[free]]
    columns = np.array(pairs, dtype=np.int64).reshape(-1, 2)
    return Taken(columns[:, 0], columns[:, 1])


def _images(matches: Matches, chosen: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Of every image the chosen detections, best first, and the objects that are no crowds."""
    count = len(matches.image_ids)
    detections, objects = np.flatnonzero(chosen), np.flatnonzero(~matches.objects.crowd)
    seen, there = matches.found.image[detections], matches.objects.image[objects]
    for mine, theirs in zip(by_image(seen, count), by_image(there, count), strict=True):
        yield detections[mine], objects[theirs]


def _plain_overlaps(matches: Matches, detections: np.ndarray, objects: np.ndarray) -> np.ndarray:
    boxes = matches.found.boxes[detections], matches.objects.boxes[objects]
    return overlaps(*boxes, np.zeros(len(objects), dtype=bool))
