"""YOLO's text files: one a picture, one line an object."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ...files import atomic_write
from ..result import Prediction


class YoloLabels:
    """`labels/` with a file a picture, and `classes.txt` with a name a line.

    A line is: class index, centre x, centre y, width, height, as shares of the picture, score.

    Args:
        folder: gets all of this.
        class_names: names by class index.
    """

    def __init__(self, folder: Path, class_names: Sequence[str]) -> None:
        self.path = folder / "labels"
        self._class_names = class_names
        self._taken: set[Path] = set()

    def add(self, prediction: Prediction) -> None:
        """Write the labels of one picture."""
        if not self._taken:
            with atomic_write(self.path.parent / "classes.txt") as file:
                file.writelines(f"{name}\n" for name in self._class_names)
        found = prediction.found
        size = np.array(found.size[::-1], np.float64)
        centres = (found.boxes[:, :2] + found.boxes[:, 2:]) / 2 / size
        sides = (found.boxes[:, 2:] - found.boxes[:, :2]) / size
        rows = np.concatenate([centres, sides, found.scores[:, None]], axis=1).tolist()
        with atomic_write(self._place(prediction.picture.target)) as file:
            for index, row in zip(found.classes.tolist(), rows, strict=True):
                file.write(" ".join([str(index), *(f"{value:.6f}" for value in row)]) + "\n")

    def _place(self, target: Path) -> Path:
        """a.txt for a.jpg; a.png.txt for an a.png beside it."""
        name = target.with_suffix(".txt")
        if name in self._taken:
            name = target.with_name(f"{target.name}.txt")
        self._taken.add(name)
        return self.path / name

    def close(self) -> None:
        """Nothing is left to do: each file is whole."""
