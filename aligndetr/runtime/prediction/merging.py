"""One set of objects out of several views of an image: parts of it, or all of it seen differently.

A set predictor says every object once, so two boxes of one view are two objects, however much they
overlap; only boxes of different views can be the same one. Where a view ends inside the image, the
side of a box that lies on this border is not known: the object may go on behind it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from .detections import Detections, areas, clipped, overlaps

SAME = 0.5
"""IoU from which on boxes of two views are taken for one object."""

INSIDE = 0.75
"""Share of a cut box that has to lie in a box which goes on behind the border, to be part of it."""

BORDER = 0.015
"""Of a view's height or width: how near to its border a side lies on it."""

_OUTWARD = np.array([-1.0, -1.0, 1.0, 1.0])  # xyxy: where a larger value makes a larger box


@dataclass(frozen=True)
class View:
    """What was looked at.

    Attributes:
        box: xyxy in pixels of the image.
        weight: how well sides are known: pixels looked at by pixels of the image, along a side.
    """

    box: tuple[float, float, float, float]
    weight: float = 1.0


@dataclass(frozen=True)
class _Seen:
    """All boxes of a class, best first: (N, 4) boxes, (N,) scores, (N,) views, (N, 4) cut sides."""

    boxes: np.ndarray
    scores: np.ndarray
    views: np.ndarray
    cut: np.ndarray


def merge(
    found: Sequence[Detections],
    views: Sequence[View],
    size: tuple[int, int],
    score: Callable[[np.ndarray], float] = np.max,
) -> Detections:
    """Every object once.

    Args:
        found: for each view, what was found in it, in pixels of the image.
        views: as many.
        size: (height, width) of the image.
        score: of an object, from the scores of it in the views where it was found.

    Returns:
        Objects whose sides are means over the views that know them, weighted by score and by the
        views' weights; best first.
    """
    frames = np.array([view.box for view in views], np.float64).reshape(-1, 4)
    weights = np.array([view.weight for view in views])
    every = Detections.joined(size, found)
    view_of = np.repeat(np.arange(len(views)), [len(part) for part in found])
    parts, cut_sides = [], [np.zeros((0, 4), bool)]
    for label in np.unique(every.classes):
        rows = np.flatnonzero(every.classes == label)
        rows = rows[np.argsort(-every.scores[rows], kind="stable")]
        boxes = every.boxes[rows].astype(np.float64)
        cut = _cut_sides(boxes, frames[view_of[rows]], size)
        seen = _Seen(boxes, every.scores[rows], view_of[rows], cut)
        groups = _groups(seen, frames)
        joined = [_joined(seen, group, weights) for group in groups]
        scores = [score(seen.scores[group]) for group in groups]
        parts.append(Detections.of(size, joined, scores, np.full(len(groups), label)))
        cut_sides.append(np.array([seen.cut[group].all(axis=0) for group in groups]))
    merged = Detections.joined(size, parts)
    return merged[~_fragments(merged, np.concatenate(cut_sides))].best_first()


def _cut_sides(boxes: np.ndarray, frames: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """(N, 4) bool: sides on a border of their view that is none of the image."""
    height, width = size
    margin = np.maximum(BORDER * np.tile(frames[:, 2:] - frames[:, :2], 2), 1.0)
    inner = np.abs(frames - [0, 0, width, height]) >= 0.5
    return inner & (np.abs(boxes - frames) <= margin)


def _groups(seen: _Seen, frames: np.ndarray) -> list[list[int]]:
    """Rows that are one object; a group has no two of one view."""
    groups: list[list[int]] = []
    group_of = np.full(len(seen.boxes), -1)
    for row in range(len(seen.boxes)):
        agreeing = np.flatnonzero(_agreement(seen, frames, row) >= SAME)
        group = [row]
        for index in dict.fromkeys(group_of[agreeing].tolist()):
            if _may_join(seen, group, groups[index]):
                group, groups[index] = groups[index] + group, []
        groups.append(sorted(group))
        group_of[group] = len(groups) - 1
    return sorted(group for group in groups if group)


def _may_join(seen: _Seen, group: list[int], other: list[int]) -> bool:
    """Whether they come from different views; ends of one object, which it joins, do not meet."""
    if set(seen.views[group].tolist()) & set(seen.views[other].tolist()):
        return False
    ends = group[:-1]  # the last one, which is new, agrees with the other group
    meeting = areas(clipped(seen.boxes[ends][:, None], seen.boxes[other]))
    return not meeting.any()


def _agreement(seen: _Seen, frames: np.ndarray, row: int) -> np.ndarray:
    """(row,) how much a box agrees with each of the better ones, from 0 to 1.

    The lower of two IoU: of what both views show of the boxes; and of the boxes where each has the
    other's sides for those that it does not know.
    """
    box, cut, frame = seen.boxes[row], seen.cut[row], frames[seen.views[row]]
    others, their_cut = seen.boxes[:row], seen.cut[:row]
    common = clipped(frame, frames[seen.views[:row]])
    visible = overlaps(clipped(box, common), clipped(others, common))
    furthest = np.maximum(box * _OUTWARD, others * _OUTWARD) * _OUTWARD
    completed = overlaps(np.where(cut, furthest, box), np.where(their_cut, furthest, others))
    return np.minimum(visible, completed)


def _joined(seen: _Seen, group: list[int], weights: np.ndarray) -> np.ndarray:
    """(4,) a box out of the sides that are known; the furthest where none is."""
    boxes, known = seen.boxes[group], ~seen.cut[group]
    weight = known * (seen.scores[group] * weights[seen.views[group]])[:, None]
    total = weight.sum(axis=0)
    mean = np.divide((weight * boxes).sum(axis=0), total, out=np.zeros(4), where=total > 0)
    furthest = (boxes * _OUTWARD).max(axis=0) * _OUTWARD
    return np.where(total > 0, mean, furthest)


def _fragments(found: Detections, cut: np.ndarray) -> np.ndarray:
    """(M,) bool: ends at a border behind which a better one goes on that contains it.

    Whatever their classes: a part of an object may look like another one.
    """
    boxes, fragment = found.boxes, np.zeros(len(found), bool)
    for row in np.flatnonzero(cut.any(axis=1)):
        inside = areas(clipped(boxes[row], boxes)) >= INSIDE * areas(boxes[row])
        beyond = ((boxes - boxes[row]) * _OUTWARD > 0)[:, cut[row]].all(axis=1)
        better = (found.scores >= found.scores[row]) | (found.classes == found.classes[row])
        fragment[row] = (inside & beyond & better).any()
    return fragment
