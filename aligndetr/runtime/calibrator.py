"""From a score to what it should have been."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Calibrator:
    """A rising, piecewise linear function of the score for each class.

    Attributes:
        knots: K pairs of (M,) scores and (M,) values, both from 0 to 1.
    """

    knots: tuple[tuple[np.ndarray, np.ndarray], ...]

    def __call__(self, score: np.ndarray, label: np.ndarray) -> np.ndarray:
        """(D,) expected IoU with an object of the class.

        Args:
            score: (D,) from 0 to 1.
            label: (D,) class index.
        """
        result = np.empty(len(score))
        for index, (knots, values) in enumerate(self.knots):
            chosen = label == index
            result[chosen] = np.interp(score[chosen], knots, values).clip(0, 1)
        return result

    def plain(self) -> dict[str, Any]:
        """Lists of numbers, as a checkpoint's `operating_point` holds them."""
        rounded = [[np.round(part, 6).tolist() for part in pair] for pair in self.knots]
        return {"kind": "piecewise linear", "knots": rounded}

    @staticmethod
    def from_plain(values: Mapping[str, Any]) -> Calibrator:
        """The calibrator that `plain` wrote.

        Raises:
            ValueError: it is of another kind, or its knots are no rising scores.
        """
        pairs = tuple(tuple(map(np.asarray, pair)) for pair in values.get("knots", ()))
        known = values.get("kind") == "piecewise linear"
        if not known or not all(len(x) == len(y) > 0 and (np.diff(x) >= 0).all() for x, y in pairs):
            raise ValueError("a calibrator that is not piecewise linear with rising scores")
        return Calibrator(pairs)
