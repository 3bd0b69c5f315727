"""COCO's json, written image by image: any number of images needs no memory."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import IO

from ...files import writing
from ..result import Prediction
from .growing_file import GrowingFile


class CocoJson:
    """`predictions.json`: images, annotations with scores, categories.

    Image and category ids count from 1; category id = class index + 1.

    Args:
        folder: gets the file.
        class_names: names by class index.
    """

    def __init__(self, folder: Path, class_names: Sequence[str]) -> None:
        self.path = folder / "predictions.json"
        self._categories = [
            {"id": number, "name": name} for number, name in enumerate(class_names, start=1)
        ]
        self._file: GrowingFile | None = None
        self._images = self._objects = 0
        self._stack = ExitStack()

    def add(self, prediction: Prediction) -> None:
        """Take one image and its objects."""
        if self._file is None:
            self._file = GrowingFile(self.path)
            self._annotations = self._stack.enter_context(_unnamed_file())
            self._file.file.write('{"images": [')
        height, width = prediction.found.size
        name = prediction.picture.name
        entry = {"id": self._images + 1, "file_name": name, "height": height, "width": width}
        self._append(self._file.file, self._images, entry)
        self._images += 1
        boxes = prediction.found.boxes.astype(float)
        boxes[:, 2:] -= boxes[:, :2]
        columns = (
            boxes.tolist(),
            prediction.found.scores.tolist(),
            prediction.found.classes.tolist(),
        )
        for box, score, index in zip(*columns, strict=True):
            entry = self._annotation(box, score, index)
            self._append(self._annotations, self._objects, entry)
            self._objects += 1

    def _annotation(self, box: list[float], score: float, index: int) -> dict:
        return {
            "id": self._objects + 1,
            "image_id": self._images,
            "category_id": index + 1,
            "bbox": [round(value, 2) for value in box],
            "area": round(box[2] * box[3], 2),
            "score": round(score, 5),
            "iscrowd": 0,
        }

    def _append(self, file: IO[str], before: int, entry: dict) -> None:
        with writing(self.path):
            file.write((", " if before else "") + json.dumps(entry))

    def close(self) -> None:
        """Finish the file, if there is any image."""
        if self._file is None:
            return
        annotations = self._annotations
        with self._stack, writing(self.path):
            self._file.file.write(f'], "categories": {json.dumps(self._categories)}, ')
            self._file.file.write('"annotations": [')
            annotations.seek(0)
            shutil.copyfileobj(annotations, self._file.file)
            self._file.file.write("]}")
        self._file.close()


def _unnamed_file() -> IO[str]:
    return tempfile.TemporaryFile("w+", encoding="utf-8")
