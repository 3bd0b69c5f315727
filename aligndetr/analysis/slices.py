"""Which objects are found: recall by size, crowding, shape and place in the image."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np

from aligndetr.analysis.matches import Matches, Objects, overlaps

EDGES = {
    "size": ((0, 16, 32, 64, 96, 192, np.inf), "square root of the area, pixels"),
    "crowding": ((0, 1e-9, 0.1, 0.3, 0.5, 1 + 1e-9), "IoU with the nearest other object"),
    "aspect": ((1, 1.2, 1.6, 2, 3, np.inf), "longer side over shorter side"),
    "border": (
        (0, 1e-9, 0.05, 0.15, 0.5 + 1e-9),
        "distance to the image's edge, share of its side",
    ),
}


@dataclass(frozen=True)
class Slice:
    """The objects of a range and how many of them were found.

    Attributes:
        low: of the range, inclusive.
        high: of the range, exclusive.
        objects: how many there are.
        recall: (T,) share that was found at each threshold of IoU; NaN without objects.
    """

    low: float
    high: float
    objects: int
    recall: np.ndarray

    @property
    def label(self) -> str:
        """The range in words, such as "16 to 32"."""
        if self.high <= 1e-9:
            return "0"
        low = "0" if self.low <= 1e-9 else f"{self.low:g}"
        return f"from {low}" if np.isinf(self.high) else f"{low} to {round(self.high, 6):g}"

    @property
    def average(self) -> float:
        """Average recall (AR), the mean over the thresholds."""
        return float(self.recall.mean())


def slices(matches: Matches, sizes: np.ndarray | None = None) -> dict[str, list[Slice]]:
    """Recall by what objects are like; crowds are left out.

    Precision has no such slices: a detection that found nothing is near no object, so that no
    crowding could be given to it.

    Args:
        matches: all of a dataset's.
        sizes: (N, 2) width and height of each image, for the distance to the border; None leaves
            that out.
    """
    real = ~matches.objects.crowd
    found = _found(matches)
    result = {}
    for name, values in _attributes(matches.objects, sizes).items():
        edges, _ = EDGES[name]
        place = np.digitize(values, edges) - 1
        result[name] = []
        for index, (low, high) in enumerate(itertools.pairwise(edges)):
            chosen = real & (place == index)
            count = int(chosen.sum())
            recall = found[:, chosen].sum(axis=1) / count if count else np.full(len(found), np.nan)
            result[name].append(Slice(low, high, count, recall))
    return result


def _found(matches: Matches) -> np.ndarray:
    """(T, G) bool: some detection found the object."""
    found = np.zeros((len(matches.thresholds), len(matches.objects)), dtype=bool)
    row, column = np.nonzero(matches.hit)
    found[row, matches.matched[row, column]] = True
    return found


def _attributes(objects: Objects, sizes: np.ndarray | None) -> dict[str, np.ndarray]:
    """(G,) values by name."""
    width, height = (objects.boxes[:, 2:] - objects.boxes[:, :2]).T
    short, long = np.minimum(width, height), np.maximum(width, height)
    attributes = {
        "size": np.sqrt(objects.area),
        "crowding": crowding(objects),
        "aspect": long / np.maximum(short, 1e-9),
    }
    if sizes is not None:
        side = np.tile(sizes[objects.image], 2)
        margins = np.concatenate([objects.boxes[:, :2], side[:, 2:] - objects.boxes[:, 2:]], axis=1)
        attributes["border"] = (margins / side).min(axis=1).clip(min=0)
    return attributes


def crowding(objects: Objects) -> np.ndarray:
    """(G,) highest IoU of each object with another one of its image, of whatever class.

    Crowd regions are nobody's neighbours and get 0.
    """
    result = np.zeros(len(objects))
    order = np.argsort(objects.image, kind="stable")
    order = order[~objects.crowd[order]]
    for same in np.split(order, np.flatnonzero(np.diff(objects.image[order])) + 1):
        if len(same) > 1:
            iou = overlaps(objects.boxes[same], objects.boxes[same], np.zeros(len(same), bool))
            np.fill_diagonal(iou, 0)
            result[same] = iou.max(axis=1)
    return result
