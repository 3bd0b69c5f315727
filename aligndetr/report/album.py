"""Pictures for a page, no more than it has room for, and the boxes that belong on them."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from typing import Any

import numpy as np
from PIL import Image

from aligndetr.analysis import Matches
from aligndetr.analysis.matches import by_image
from aligndetr.data import read_image
from aligndetr.data.records import Record
from aligndetr.errors import UserError

LONGEST_SIDE, QUALITY = 560, 80
ROOM = 4_500_000  # characters of all pictures
MOST_BOXES = 60  # of an image, objects and detections each
_FULL = "left out, so that the page stays small"


class Album:
    """Collects images in the order of their importance; each is there once.

    Args:
        matches: objects and detections.
        records: of all images, in the order of `Matches.image_ids`.
        thresholds: (K,) lowest score of a detection that is shown, of each class.
        room: characters that all pictures together may take.
    """

    def __init__(
        self,
        matches: Matches,
        records: Sequence[Record],
        thresholds: Sequence[float],
        room: int = ROOM,
    ) -> None:
        self._matches, self._records, self._left = matches, records, room
        found, count = matches.found, len(matches.image_ids)
        kept = np.flatnonzero(found.score >= np.asarray(thresholds)[found.label])
        self._detections = [kept[places] for places in by_image(found.image[kept], count)]
        self._objects = by_image(matches.objects.image, count)
        self._hit = matches.hit[matches.place(0.5)]
        self._entries: dict[int, dict[str, Any]] = {}

    @property
    def images(self) -> list[int]:
        """Places of the images that it has, in order."""
        return list(self._entries)

    def add(self, place: int) -> None:
        """Take an image in.

        Args:
            place: index into `Matches.image_ids`.
        """
        if place not in self._entries:
            self._entries[place] = self._entry(place)

    def content(self) -> dict[int, dict[str, Any]]:
        """For the page: dict(id, file, width, height, src, why, truth, found) by place.

        `src` is a data URI, or None, and then `why` says why. `truth` are rows of class index,
        x, y, width, height (pixels) and whether it is a crowd; `found` of class index, score, box,
        and whether an object was found, of the detections above the thresholds.
        """
        return self._entries

    def _entry(self, place: int) -> dict[str, Any]:
        record = self._records[place]
        source, why = self._picture(record)
        return {
            "id": record["image_id"],
            "file": str(record["file_name"]).rpartition("/")[2],
            "width": record["width"],
            "height": record["height"],
            "src": source,
            "why": why,
            "truth": self._truth(place),
            "found": self.found(place),
        }

    def _picture(self, record: dict[str, Any]) -> tuple[str | None, str | None]:
        if self._left <= 0:
            return None, _FULL
        try:
            image = read_image(record["file_name"], (record["height"], record["width"]))
        except UserError as error:
            return None, str(error)
        source = data_uri(image)
        if len(source) > self._left:
            self._left = 0
            return None, _FULL
        self._left -= len(source)
        return source, None

    def _truth(self, place: int) -> list[list[Any]]:
        objects = self._matches.objects
        return [
            [int(objects.label[i]), *xywh(objects.boxes[i]), bool(objects.crowd[i])]
            for i in self._objects[place][:MOST_BOXES]
        ]

    def found(self, place: int) -> list[list[Any]]:
        """Rows of an image's detections, see `content`."""
        found, hit = self._matches.found, self._hit
        return [
            [int(found.label[i]), score(found.score[i]), *xywh(found.boxes[i]), bool(hit[i])]
            for i in self._detections[place][:MOST_BOXES]
        ]


def data_uri(image: np.ndarray) -> str:
    """A small JPEG in a text.

    Args:
        image: (H, W, 3) uint8 RGB.
    """
    picture = Image.fromarray(image)
    picture.thumbnail((LONGEST_SIDE, LONGEST_SIDE), Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=QUALITY)
    return f"data:image/jpeg;base64,{base64.b64encode(buffer.getvalue()).decode()}"


def xywh(box: np.ndarray) -> list[float]:
    """(4,) xyxy pixels as x, y, width, height."""
    x0, y0, x1, y1 = box.tolist()
    return [round(x0, 1), round(y0, 1), round(x1 - x0, 1), round(y1 - y0, 1)]


def score(value: float) -> float:
    """With the digits that a page shows."""
    return round(float(value), 3)
