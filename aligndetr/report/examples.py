"""Single mistakes that a page shows: the worst of each kind, and those of a confusion."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from aligndetr.analysis import Analysis, Matches
from aligndetr.analysis.mistakes import NAMES, find_mistakes, taken_for
from aligndetr.report.album import score, xywh

MOST_OF_A_KIND, MOST_OF_AN_IMAGE = 12, 2
MOST_OF_A_CELL, MOST_CELLS, MOST_MISALIGNED = 4, 150, 60

Example = dict[str, Any]
"""dict(image, found, object): place of the image, and what is wrong there. `found` is [class,
score, x, y, width, height] or None, `object` [class, x, y, width, height] or None."""


def worst_mistakes(matches: Matches) -> dict[str, list[Example]]:
    """Of each of TIDE's kinds the most confident detections, and the largest missed objects."""
    mistakes = find_mistakes(matches)
    examples = {}
    for index, name in enumerate(NAMES):
        places = np.flatnonzero(mistakes.kind == index).tolist()  # best scores first
        pairs = [(int(mistakes.object[place]), place) for place in places]
        if name == "Miss":
            by_area = np.argsort(-matches.objects.area[mistakes.missed], kind="stable")
            pairs = [(int(index), -1) for index in mistakes.missed[by_area]]
        examples[name] = _some(matches, pairs, MOST_OF_A_KIND)
    return examples


def confused(analysis: Analysis) -> dict[str, list[Example]]:
    """Examples of the largest cells of the confusion matrix, off its diagonal.

    Returns:
        Examples by "row,column", as the matrix has them; the last row and column are "nothing".
    """
    matches = analysis.matches
    taken = taken_for(matches, analysis.thresholds)
    classes = len(matches.class_names)
    rows = np.append(matches.objects.label, classes)[taken.object]
    columns = np.append(matches.found.label, classes)[taken.found]
    cells: dict[tuple[int, int], list[tuple[int, int]]] = {}
    for row, column, *pair in zip(rows, columns, taken.object, taken.found, strict=True):
        if row != column:
            cells.setdefault((int(row), int(column)), []).append((int(pair[0]), int(pair[1])))
    largest = sorted(cells, key=lambda cell: -len(cells[cell]))[:MOST_CELLS]
    rank = np.append(matches.found.score, 0)
    return {
        f"{row},{column}": _some(
            matches,
            sorted(cells[row, column], key=lambda pair: -rank[pair[1]]),
            MOST_OF_A_CELL,
        )
        for row, column in largest
    }


def misaligned(points: Sequence[Sequence[float]]) -> list[int]:
    """Places of the images where score and IoU differ most.

    Args:
        points: [score, IoU, place of the image], see `quality_sections.scatter`.
    """
    furthest = sorted(points, key=lambda point: -abs(point[0] - point[1]))
    return [int(point[2]) for point in furthest[:MOST_MISALIGNED]]


def _some(matches: Matches, pairs: Iterable[tuple[int, int]], most: int) -> list[Example]:
    """The first pairs of (object, detection), not too many of one image."""
    examples: list[Example] = []
    images: dict[int, int] = {}
    for index, place in pairs:
        image = int(matches.objects.image[index] if place < 0 else matches.found.image[place])
        images[image] = images.get(image, 0) + 1
        if images[image] <= MOST_OF_AN_IMAGE:
            examples.append(_example(matches, image, index, place))
        if len(examples) == most:
            break
    return examples


def _example(matches: Matches, image: int, index: int, place: int) -> Example:
    found, objects = matches.found, matches.objects
    detection = place >= 0 and [
        int(found.label[place]),
        score(found.score[place]),
        *xywh(found.boxes[place]),
    ]
    truth = index >= 0 and [int(objects.label[index]), *xywh(objects.boxes[index])]
    return {"image": image, "found": detection or None, "object": truth or None}
