"""Images that one run gets right and another does not."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path
from typing import Any

import numpy as np

from aligndetr.analysis import Matches
from aligndetr.analysis.curves import best_f1, curves
from aligndetr.analysis.stored import matches_of_run, records_of
from aligndetr.data import DetectionDataset
from aligndetr.errors import DataError
from aligndetr.report.album import Album

MOST = 12  # images of each kind


@dataclass(frozen=True)
class ImageScores:
    """One run's images.

    Attributes:
        matches: of its predictions.
        thresholds: those with the best F1 of each class.
        f1: (N,) F1 of each image at IoU 0.5; 1 where nothing is and nothing was found.
    """

    matches: Matches
    thresholds: list[float]
    f1: np.ndarray


def image_scores(matches: Matches) -> ImageScores:
    """F1 of each image with the thresholds that are best for the run."""
    thresholds = [best_f1(curve).threshold for curve in curves(matches)]
    row, found = matches.place(0.5), matches.found
    kept = (found.score >= np.asarray(thresholds)[found.label]) & ~matches.ignored[row]
    count = len(matches.image_ids)
    hits = np.bincount(found.image[kept & matches.hit[row]], minlength=count)
    detections = np.bincount(found.image[kept], minlength=count)
    objects = np.bincount(matches.objects.image[~matches.objects.crowd], minlength=count)
    total = detections + objects
    f1 = np.divide(2 * hits, total, out=np.ones(count), where=total > 0)
    return ImageScores(matches, thresholds, f1)


def won_and_lost(
    first: Path, other: Path, find_dataset: Callable[[Path], DetectionDataset]
) -> dict[str, Any]:
    """What the page shows of two runs.

    Args:
        first, other: folders of the runs.
        find_dataset: what predictions are compared with, given the folder of their run.

    Returns:
        dict(won, lost, equal, best, worst, pictures): how many images `other` does better, worse
        and equally well, examples of the largest differences, and their pictures. An example is
        dict(image, scores, rows): F1 and rows of detections (see `Album`) of both runs.

    Raises:
        DataError: the runs were judged by different images or classes, or predictions are missing.
    """
    dataset = find_dataset(first)
    mine = image_scores(matches_of_run(first, dataset))
    theirs = image_scores(matches_of_run(other, find_dataset(other)))
    same = np.array_equal(mine.matches.image_ids, theirs.matches.image_ids)
    if not same or mine.matches.class_names != theirs.matches.class_names:
        raise DataError("the runs were judged by different images or classes")
    records = records_of(dataset, mine.matches)
    albums = [Album(each.matches, records, each.thresholds) for each in (mine, theirs)]
    change = theirs.f1 - mine.f1
    order = np.argsort(change, kind="stable")
    worst = [int(i) for i in order[:MOST] if change[i] < 0]
    best = [int(i) for i in order[::-1][:MOST] if change[i] > 0]
    for place in (each for pair in zip_longest(best, worst) for each in pair if each is not None):
        albums[0].add(place)

    def example(place: int) -> dict[str, Any]:
        scores = [round(float(each.f1[place]), 3) for each in (mine, theirs)]
        rows = [album.found(place) for album in albums]
        return {"image": place, "scores": scores, "rows": rows}

    return {
        "won": int((change > 0).sum()),
        "lost": int((change < 0).sum()),
        "equal": int((change == 0).sum()),
        "best": [example(place) for place in best],
        "worst": [example(place) for place in worst],
        "names": list(mine.matches.class_names),
        "pictures": albums[0].content(),
    }
