"""Every object cut out of its picture."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from ...drawing.picture_file import save_picture
from ..result import Prediction


class Crops:
    """`crops/<class>/<picture>_<number>`, numbered by score from 1 on."""

    def __init__(self, folder: Path, class_names: Sequence[str]) -> None:
        self.path = folder / "crops"

    def add(self, prediction: Prediction) -> None:
        """Write the objects of one picture; boxes are widened to whole pixels."""
        height, width = prediction.found.size
        target = prediction.picture.target
        rows = zip(prediction.found.boxes, prediction.names, strict=True)
        for number, (box, name) in enumerate(rows, start=1):
            x0, y0 = np.floor(box[:2]).astype(int).clip(0, (width - 1, height - 1))
            x1, y1 = np.ceil(box[2:]).astype(int).clip((x0 + 1, y0 + 1), (width, height))
            crop = Image.fromarray(np.ascontiguousarray(prediction.pixels[y0:y1, x0:x1]))
            folder = self.path / (re.sub(r"[^\w.-]", "_", name).strip(".") or "_")
            save_picture(crop, folder / target.with_name(f"{target.stem}_{number}{target.suffix}"))

    def close(self) -> None:
        """Nothing is left to do: each file is whole."""
