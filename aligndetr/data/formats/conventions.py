"""Boxes in another convention than [x, y, width, height] in pixels: recognised and said."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from aligndetr.data.formats.percent import percent_boxes
from aligndetr.data.formats.reading import Reading
from aligndetr.errors import DataError

_PERCENT = (
    "boxes are of larger images in which no box ends beyond 100: percent, not pixels? Then all x "
    "and widths must be multiplied by width / 100 of the image, all y and heights by height / 100"
)
_FIRST_PIXEL = 1.001  # where fractions end


def check_conventions(reading: Reading, path: Path) -> None:
    """Note boxes that look like percent, like corners, or, here and there, like fractions.

    Raises:
        DataError: all of them are fractions.
    """
    images = {image["id"]: image for image in reading.content["images"]}
    known = [a for a in reading.content["annotations"] if a["image_id"] in images]
    if not known:
        return
    boxes = np.array([a["bbox"] for a in known], dtype=np.float64)
    hosts = [images[a["image_id"]] for a in known]
    sizes = np.array([(host["width"], host["height"]) for host in hosts], dtype=np.float64)
    ends = boxes[:, :2] + boxes[:, 2:]
    fractions = (ends <= _FIRST_PIXEL).all(axis=1) & (sizes > 8).all(axis=1)
    if fractions.all():
        raise DataError(
            f"{path}: no box reaches beyond the first pixel of its image; they look like fractions "
            "of its width and height, but must be pixels"
        )
    for text, flags in (
        ("boxes lie within the first pixel: fractions of the image, not pixels?", fractions),
        (_PERCENT, percent_boxes(boxes, sizes, np.array([a["image_id"] for a in known]))),
        (
            "boxes fit in their image only as corners x0, y0, x1, y1: are all of them corners?",
            _corners(boxes, sizes),
        ),
    ):
        where = np.flatnonzero(flags)
        if len(where):
            reading.remarks[text] = [f"{hosts[i]['file_name']}: {known[i]['bbox']}" for i in where]


def _corners(boxes: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    """(N,) bool: boxes over the edge, where they are many and all of them would fit as corners."""
    over = (boxes[:, :2] + boxes[:, 2:] > sizes + 1).any(axis=1)
    fit = np.all((boxes[:, 2:] > boxes[:, :2]) & (boxes[:, 2:] <= sizes), axis=1)
    return over & (over.mean() > 0.1) & fit[over].all()
