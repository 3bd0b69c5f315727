"""Tables that grow line by line: CSV, one line an object; JSON lines, one line a picture."""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from pathlib import Path

from ...files import writing
from ..result import CORNERS, Prediction
from .growing_file import GrowingFile

COLUMNS = ("image", "frame", "seconds", "class", "name", "score", *CORNERS)


class CsvTable:
    """`predictions.csv`; boxes are xyxy pixels, frame and seconds are empty but for videos."""

    def __init__(self, folder: Path, class_names: Sequence[str]) -> None:
        self.path = folder / "predictions.csv"
        self._file: GrowingFile | None = None

    def add(self, prediction: Prediction) -> None:
        """Take the objects of one picture."""
        if self._file is None:
            self._file = GrowingFile(self.path)
            self._rows = csv.writer(self._file.file, lineterminator="\n")
            self._rows.writerow(COLUMNS)
        frame = prediction.picture.frame
        when = ("", "") if frame is None else (frame.index, round(frame.seconds, 6))
        name = prediction.picture.name if frame is None else frame.video
        with writing(self.path):
            for each in prediction.records():
                what = each["class"], each["name"], each["score"], *each["box"]
                self._rows.writerow((name, *when, *what))

    def close(self) -> None:
        """Finish the file, if there is any."""
        if self._file is not None:
            self._file.close()


class JsonLines:
    """`predictions.jsonl`; of a video, each line has its frame and time stamp."""

    def __init__(self, folder: Path, class_names: Sequence[str]) -> None:
        self.path = folder / "predictions.jsonl"
        self._file: GrowingFile | None = None

    def add(self, prediction: Prediction) -> None:
        """Take one picture."""
        if self._file is None:
            self._file = GrowingFile(self.path)
        with writing(self.path):
            self._file.file.write(json.dumps(_line(prediction)) + "\n")

    def close(self) -> None:
        """Finish the file, if there is any."""
        if self._file is not None:
            self._file.close()


def _line(prediction: Prediction) -> dict:
    frame, (height, width) = prediction.picture.frame, prediction.found.size
    if frame is None:
        where = {"image": prediction.picture.name}
    else:
        where = {"video": frame.video, "frame": frame.index, "seconds": round(frame.seconds, 6)}
    return where | {"height": height, "width": width, "objects": prediction.records()}
