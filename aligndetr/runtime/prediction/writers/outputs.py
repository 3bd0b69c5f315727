"""All that predictions are to be written as, filled together and closed together."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from ...errors import UserError, did_you_mean
from ..result import Prediction
from .coco import CocoJson
from .crops import Crops
from .drawings import Drawings
from .lines import CsvTable, JsonLines
from .yolo import YoloLabels

FORMATS = {
    "images": Drawings,
    "coco": CocoJson,
    "yolo": YoloLabels,
    "csv": CsvTable,
    "jsonl": JsonLines,
    "crops": Crops,
}


class Outputs:
    """Files of predictions in several formats; a context in which they are written.

    Whatever ends the context, an error or the user, files appear whole, with what came before.

    Args:
        folder: gets them.
        formats: keys of `FORMATS`.
        class_names: names by class index, or None.
        num_classes: number of classes, whose indices are their names where there are none.

    Raises:
        UserError: there is no such format; (while writing) a file cannot be written.
    """

    def __init__(
        self,
        folder: Path,
        formats: Sequence[str],
        class_names: Sequence[str] | None,
        num_classes: int,
    ) -> None:
        check_formats(formats)
        names = class_names or [str(index) for index in range(num_classes)]
        self.writers = [FORMATS[name](folder, names) for name in dict.fromkeys(formats)]
        self.pictures = 0

    def add(self, prediction: Prediction) -> None:
        """Write one prediction in all formats."""
        for writer in self.writers:
            writer.add(prediction)
        self.pictures += 1

    @property
    def paths(self) -> list[Path]:
        """Files and folders that have been written to."""
        return [writer.path for writer in self.writers] if self.pictures else []

    def __enter__(self) -> Outputs:
        self._stack = ExitStack()
        for writer in self.writers:
            self._stack.callback(writer.close)
        return self

    def __exit__(self, *error: object) -> None:
        self._stack.close()


def check_formats(formats: Sequence[str]) -> None:
    """Raise a UserError if one is not known."""
    for name in formats:
        if name not in FORMATS:
            close = did_you_mean(name, FORMATS) or f"; there are {', '.join(FORMATS)}"
            raise UserError(f"nothing can be saved as {name!r}{close}")
