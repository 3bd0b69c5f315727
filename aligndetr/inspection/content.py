"""What is known about one image after a look into the model: plain numbers, ready to draw."""

from __future__ import annotations

from dataclasses import dataclass, field

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

    def pair_of(self, query: int) -> Pair | None:
        """The pair that a query belongs to."""
        return next((pair for pair in self.pairs if pair.query == query), None)


@dataclass
class Inspection:
    """One image in one model.

    Attributes:
        image: (H, W, 3) uint8 RGB.
        things: ground truth, or detections of the last layer.
        layers: in the order of computation.
        has_truth: whether `things` are ground truth and pairs are the matcher's.
        shapes: L times (height, width) of the memory's levels.
        notes: sentences on what is not shown, and why.
    """

    image: np.ndarray
    things: list[Thing]
    layers: list[LayerView]
    has_truth: bool
    shapes: list[tuple[int, int]]
    notes: list[str] = field(default_factory=list)

    @property
    def sampled(self) -> list[LayerView]:
        """Layers with sampling points."""
        return [layer for layer in self.layers if layer.sampling is not None]

    def favourite(self) -> int | None:
        """The query that shows most: the best one of the largest thing, in the last layer."""
        best = [pair for pair in self.layers[-1].pairs if pair.rank == 0]
        if not best:
            return None
        return max(best, key=lambda pair: _area(self.things[pair.thing].box)).query


def _area(box: np.ndarray) -> float:
    return float((box[2] - box[0]) * (box[3] - box[1]))
