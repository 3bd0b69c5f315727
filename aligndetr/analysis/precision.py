"""Average precision of matches, where some images may count more often than others."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from aligndetr.analysis.matches import Matches

RECALLS = np.linspace(0, 1, 101)


class AveragePrecision:
    """AP by threshold and class: the mean precision at 101 recalls (Lin et al. 2014).

    What does not depend on how often an image counts is found out once, as the bootstrap asks
    hundreds of times.

    Args:
        matches: of T thresholds and K classes.
    """

    def __init__(self, matches: Matches) -> None:
        self._matches = matches
        order = np.argsort(matches.found.label, kind="stable")
        hit, ignored = matches.hit[:, order], matches.ignored[:, order]
        labels = matches.found.label[order]
        self._rankings = []
        for label in range(len(matches.class_names)):
            begin, end = np.searchsorted(labels, [label, label + 1])
            of_class = slice(begin, end)
            images = matches.found.image[order[of_class]]
            objects = (matches.objects.label == label) & ~matches.objects.crowd
            self._rankings.append(
                _Ranking(
                    images,
                    [np.flatnonzero(row) for row in hit[:, of_class]],
                    [np.flatnonzero(row) for row in ignored[:, of_class]],
                    matches.objects.image[objects],
                )
            )

    def __call__(self, weights: np.ndarray | None = None) -> np.ndarray:
        """The table.

        Args:
            weights: (N,) how often each image counts; None counts each once.

        Returns:
            (T, K) from 0 to 1, NaN for classes without objects.
        """
        if weights is None:
            weights = np.ones(len(self._matches.image_ids))
        columns = [ranking.average_precision(weights) for ranking in self._rankings]
        return np.stack(columns, axis=1)


@dataclass(frozen=True)
class _Ranking:
    """The detections of a class, best first, and the objects that it has.

    Attributes:
        images: (D,) image of each detection.
        hits: T arrays of places among them.
        ignored: T arrays of places.
        object_images: (G,) image of each object.
    """

    images: np.ndarray
    hits: list[np.ndarray]
    ignored: list[np.ndarray]
    object_images: np.ndarray

    def average_precision(self, weights: np.ndarray) -> np.ndarray:
        """(T,) AP, NaN without objects."""
        positives = weights[self.object_images].sum()
        if positives == 0:
            return np.full(len(self.hits), np.nan)
        weight = weights[self.images].astype(np.float64)
        reached = np.cumsum(weight)
        rows = zip(self.hits, self.ignored, strict=True)
        return np.array([_interpolated(weight, reached, *row, positives) for row in rows])


def _interpolated(
    weight: np.ndarray,
    reached: np.ndarray,
    hits: np.ndarray,
    ignored: np.ndarray,
    positives: float,
) -> float:
    """Mean over 101 recalls of the best precision at that recall or a higher one.

    The best precision from some place on is always reached at a hit, so only hits are looked at.
    """
    true = np.cumsum(weight[hits])
    passed_over = np.append(0.0, np.cumsum(weight[ignored]))[np.searchsorted(ignored, hits)]
    precision = true / (reached[hits] - passed_over + np.spacing(1))
    precision = np.maximum.accumulate(precision[::-1])[::-1]
    place = np.searchsorted(true / positives, RECALLS, side="left")
    return float(np.append(precision, 0.0)[place].mean())
