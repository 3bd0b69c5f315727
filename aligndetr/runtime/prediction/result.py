"""What was found in a picture, with the picture: drawn, as a table, as plain values."""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from ..drawing.boxes import draw_boxes
from ..errors import UserError, some
from .detections import Detections
from .picture import Picture

if TYPE_CHECKING:
    import pandas


@dataclass(frozen=True)
class Prediction:
    """The detections of one picture. In a notebook, it shows itself.

    Attributes:
        picture: where it comes from.
        found: the detections, in pixels of the picture.
        class_names: names by class index, or None.
        pixels: (H, W, 3) uint8 RGB.
    """

    picture: Picture
    found: Detections
    class_names: Sequence[str] | None
    pixels: np.ndarray = field(repr=False)

    @property
    def names(self) -> list[str]:
        """The class of each detection by its name, or its index where there is none."""
        return [class_name(self.class_names, index) for index in self.found.classes.tolist()]

    def plot(self) -> Image.Image:
        """The picture with boxes, names and scores; small ones are enlarged."""
        found = self.found
        scores = found.scores.tolist()
        return draw_boxes(
            self.pixels, found.boxes, found.classes.tolist(), scores, self.class_names
        )

    def records(self) -> list[dict[str, Any]]:
        """One dict a detection: `class`, `name`, `score` and `box` (xyxy pixels)."""
        found = self.found
        columns = found.classes.tolist(), self.names, found.scores.tolist(), found.boxes.tolist()
        return [
            {
                "class": index,
                "name": name,
                "score": round(score, 5),
                "box": [round(value, 2) for value in box],
            }
            for index, name, score, box in zip(*columns, strict=True)
        ]

    def to_dataframe(self) -> pandas.DataFrame:
        """One row a detection: image, class, name, score, x0, y0, x1, y1.

        Raises:
            UserError: pandas is not installed.
        """
        try:
            import pandas
        except ImportError:
            raise UserError("to_dataframe needs pandas, which is not installed") from None
        found = self.found
        columns = {
            "image": [self.picture.name] * len(found),
            "class": found.classes,
            "name": self.names,
            "score": found.scores,
        }
        return pandas.DataFrame(columns | dict(zip(CORNERS, found.boxes.T, strict=True)))

    def __len__(self) -> int:
        return len(self.found)

    def __repr__(self) -> str:
        height, width = self.found.size
        return f"Prediction({self.picture.name}, {height}x{width}: {counted(self.names)})"

    def _repr_png_(self) -> bytes:
        return png(self.plot())


CORNERS = ("x0", "y0", "x1", "y1")


def class_name(class_names: Sequence[str] | None, index: int) -> str:
    """Of a class; its index where there is no name."""
    known = class_names is not None and index < len(class_names)
    return str(class_names[index]) if known else str(index)


def counted(names: Sequence[str]) -> str:
    """Such as "3 cat, 1 dog", the most frequent first."""
    return some(f"{n} {name}" for name, n in Counter(names).most_common()) or "nothing"


def png(picture: Image.Image) -> bytes:
    """An image as a PNG file's content."""
    file = io.BytesIO()
    picture.save(file, "PNG")
    return file.getvalue()
