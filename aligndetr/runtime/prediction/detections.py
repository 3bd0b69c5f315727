"""The objects that were found in one image, as arrays."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike


@dataclass(frozen=True)
class Detections:
    """N objects of one image.

    Attributes:
        size: (height, width) of the image in pixels.
        boxes: (N, 4) float32, xyxy in its pixels.
        scores: (N,) float32.
        classes: (N,) int64, class indices.
    """

    size: tuple[int, int]
    boxes: np.ndarray
    scores: np.ndarray
    classes: np.ndarray

    @staticmethod
    def of(
        size: tuple[int, int], boxes: ArrayLike, scores: ArrayLike, classes: ArrayLike
    ) -> Detections:
        """Detections of anything that numpy makes arrays of."""
        return Detections(
            tuple(size),
            np.asarray(boxes, np.float32).reshape(-1, 4),
            np.asarray(scores, np.float32).reshape(-1),
            np.asarray(classes, np.int64).reshape(-1),
        )

    @staticmethod
    def joined(size: tuple[int, int], parts: Sequence[Detections]) -> Detections:
        """All objects of several, which refer to one image of `size`."""
        names = ("boxes", "scores", "classes")
        columns = ([getattr(part, name) for part in parts] for name in names)
        return Detections.of(size, *(np.concatenate(c) if c else () for c in columns))

    def __len__(self) -> int:
        return len(self.scores)

    def __getitem__(self, chosen: np.ndarray | slice) -> Detections:
        """Those that a mask, indices or a slice choose."""
        return Detections(self.size, self.boxes[chosen], self.scores[chosen], self.classes[chosen])

    def best_first(self) -> Detections:
        """In descending order of the score."""
        return self[np.argsort(-self.scores, kind="stable")]

    def with_scores(self, scores: np.ndarray) -> Detections:
        """The same objects with other scores."""
        return replace(self, scores=np.asarray(scores, np.float32))


def areas(boxes: np.ndarray) -> np.ndarray:
    """(...,) areas of boxes (..., 4) xyxy; 0 where a side has no length."""
    return np.prod(np.maximum(boxes[..., 2:] - boxes[..., :2], 0), axis=-1)


def clipped(boxes: np.ndarray, frames: np.ndarray) -> np.ndarray:
    """Boxes (..., 4) cut to frames (..., 4), which broadcast; no area if they are apart."""
    start = np.maximum(boxes[..., :2], frames[..., :2])
    return np.concatenate([start, np.minimum(boxes[..., 2:], frames[..., 2:])], axis=-1)


def overlaps(boxes: np.ndarray, others: np.ndarray) -> np.ndarray:
    """(...,) IoU of boxes (..., 4) and others (..., 4), which broadcast; 0 for empty ones."""
    common = areas(clipped(boxes, others))
    union = areas(boxes) + areas(others) - common
    return np.divide(common, union, out=np.zeros_like(common), where=union > 0)
