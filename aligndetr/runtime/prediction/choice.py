"""Which detections of a picture count."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from ..errors import UserError, did_you_mean, some
from .detections import Detections

DEFAULT_THRESHOLD = 0.5

_NAMELESS = "; the model has no names of its classes, give indices from 0 on"


@dataclass(frozen=True)
class Choice:
    """Leaves out detections of low score, and of classes that nobody asked for.

    Attributes:
        thresholds: lowest score that counts: one, or one a class.
        classes: indices of those that count; None: all.
        calibrate: replaces scores, given scores (N,) and classes (N,), once they are compared
            with the thresholds; None leaves them.
        suppress: leaves out duplicates, or lowers their scores, see `suppression`.
    """

    thresholds: float | Sequence[float] = DEFAULT_THRESHOLD
    classes: tuple[int, ...] | None = None
    calibrate: Callable[[np.ndarray, np.ndarray], np.ndarray] | None = None
    suppress: Callable[[Detections], Detections] | None = None

    def __call__(self, found: Detections) -> Detections:
        """Those that count, best first."""
        found = found[self.mask(found.scores, found.classes)]
        if self.suppress is not None:
            found = self.suppress(found)
            found = found[self.mask(found.scores, found.classes)]
        if self.calibrate is not None:
            found = found.with_scores(self.calibrate(found.scores, found.classes))
        return found.best_first()

    def mask(self, scores: np.ndarray, classes: np.ndarray) -> np.ndarray:
        """(N,) bool: which count."""
        lowest = np.asarray(self.thresholds, np.float32)
        chosen = scores >= (lowest[classes] if lowest.ndim else lowest)
        return chosen if self.classes is None else chosen & np.isin(classes, self.classes)

    @property
    def lowest(self) -> float:
        """Whatever has a lower score does not count."""
        return float(np.min(self.thresholds, initial=1.0))


def class_indices(
    wanted: Sequence[str | int], names: Sequence[str] | None, count: int
) -> list[int]:
    """Indices of classes that are given by name or by index.

    Args:
        wanted: names, or indices, also as digits where no class has this name.
        names: names by class index, or None.
        count: number of classes K.

    Raises:
        UserError: there is no such class.
    """
    known = {str(name): index for index, name in enumerate(names or ())}
    indices = []
    for each in map(str, wanted):
        if each in known:
            indices.append(known[each])
        elif each.isdigit() and int(each) < count:
            indices.append(int(each))
        else:
            close = did_you_mean(each, known)
            there = close or f"; there are {some(known)}" * bool(known)
            raise UserError(f"no class {each!r}{there or _NAMELESS}")
    return indices
