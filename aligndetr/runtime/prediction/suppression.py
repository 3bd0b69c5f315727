"""Non-maximum suppression, which detectors of this family are trained to do without."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..errors import UserError
from .detections import Detections, overlaps


@dataclass(frozen=True)
class Suppression:
    """Leaves out boxes that overlap a better one of their class.

    Attributes:
        iou: overlap from which on a box is left out.

    Raises:
        UserError: it is not in (0, 1].
    """

    iou: float = 0.7

    def __post_init__(self) -> None:
        if not 0 < self.iou <= 1:
            raise UserError(
                f"an overlap (IoU) of {self.iou:g} is none; give one such as 0.7, at most 1"
            )

    def __call__(self, found: Detections) -> Detections:
        """What is left, best first."""
        found = found.best_first()
        kept = np.ones(len(found), bool)
        for row in range(len(found)):
            if kept[row]:
                rivals = found.classes[row + 1 :] == found.classes[row]
                near = overlaps(found.boxes[row], found.boxes[row + 1 :]) > self.iou
                kept[row + 1 :] &= ~(rivals & near)
        return found[kept]


@dataclass(frozen=True)
class SoftSuppression:
    """Lowers scores of boxes by exp(-IoU^2 / sigma) for each better one of their class.

    Soft-NMS with a Gaussian (Bodla et al., ICCV 2017, equation 3).

    Attributes:
        sigma: the higher, the milder.

    Raises:
        UserError: it is not above 0.
    """

    sigma: float = 0.5

    def __post_init__(self) -> None:
        if not self.sigma > 0:
            raise UserError(f"a sigma of {self.sigma:g} is none; give one above 0, such as 0.5")

    def __call__(self, found: Detections) -> Detections:
        """All of them with their new scores, best first."""
        scores = found.scores.astype(np.float64)
        left = np.ones(len(found), bool)
        for _ in range(len(found)):
            best = int(np.argmax(np.where(left, scores, -1)))
            left[best] = False
            rivals = left & (found.classes == found.classes[best])
            overlap = overlaps(found.boxes[best], found.boxes[rivals])
            scores[rivals] *= np.exp(-(overlap**2) / self.sigma)
        return found.with_scores(scores).best_first()
