"""What a layer did with one image: plain numbers, ready to draw."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass
class Thing:
    """What queries answer for: an object of the ground truth, or a detection where there is none.

    Attributes:
        name: of its class.
        box: (4,) xyxy normalised to the image.
    """

    name: str
    box: np.ndarray


@dataclass
class Pair:
    """A query that answers for a thing.

    Attributes:
        query: its index among the layer's queries (among all tokens for proposals of all tokens).
        thing: index of the thing.
        score: probability of the thing's class.
        iou: overlap of the query's box with the thing.
        rank: place among the queries of the thing, 0 for the best.
        weight: of the pair's box losses; None without ground truth.
        goal: what the classification loss wants the score to be; None without ground truth.
    """

    query: int
    thing: int
    score: float
    iou: float
    rank: int = 0
    weight: float | None = None
    goal: float | None = None


@dataclass
class Sampling:
    """Where the queries of a layer look.

    Attributes:
        points: (Q, H, L, P, 2) x, y normalised to the image.
        weights: (Q, H, L, P), of a query and a head summing to 1.
    """

    points: np.ndarray
    weights: np.ndarray


@dataclass
class LayerView:
    """One layer, or the encoder's proposals.

    Attributes:
        index: 0 for the proposals, 1 for the first decoder layer, as in `match_num`.
        boxes: (Q, 4) predicted, xyxy normalised to the image.
        pairs: sorted by thing, then by rank.
        references: (Q, 2|4) points or xyxy boxes that the layer started from, normalised to the
            image; None where there are none or all are equal.
        sampling: None where the layer looks at all tokens.
    """

    index: int
    boxes: np.ndarray
    pairs: list[Pair]
    references: np.ndarray | None = None
    sampling: Sampling | None = None

    @property
    def name(self) -> str:
        """For titles."""
        return f"layer {self.index}" if self.index else "proposals"

    @property
    def most_queries(self) -> int:
        """Queries of the thing that has most: k, or less in a crowded image."""
        return max((pair.rank for pair in self.pairs), default=0) + 1

    @property
    def mean_iou(self) -> float:
        """Of the pairs; 0 if there are none."""
        return sum(pair.iou for pair in self.pairs) / max(len(self.pairs), 1)

    def pair_of(self, query: int) -> Pair | None:
        """The pair that a query belongs to."""
        return next((pair for pair in self.pairs if pair.query == query), None)
