"""An exported detector applied to pictures, in three lines of Python, without torch."""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence
from typing import Any

import numpy as np

from .calibrator import Calibrator
from .errors import ExportError, some
from .exported.opened import Arrays, ExportedFile, open_file
from .exported.preparing import prepare
from .picture_detector import PictureDetector
from .prediction.choice import DEFAULT_THRESHOLD
from .prediction.detections import Detections, areas
from .prediction.result import Prediction
from .prediction.sources import is_one_image

logger = logging.getLogger(__name__)


class Detector(PictureDetector):
    """Finds objects in images of any size: `Detector("model.onnx")("image.jpg")`.

    Images are prepared, and detections counted, as the file's metadata says: what is found is what
    `aligndetr.predictor.Predictor` finds with the checkpoint that was exported.

    Args:
        file: what `aligndetr export` wrote: model.onnx, for onnxruntime, or model.xml, for
            OpenVINO; or one that is open.
        provider: what the runtime shall compute with, in its own words, such as
            "CUDAExecutionProvider" or "GPU"; None: the processor.
        calibrated: replace scores by the IoU that they let expect, by the calibrator in the file.

    Attributes:
        file: the open file: its `runtime`, `provider` and `metadata`.

    Raises:
        ExportError: the runtime is not installed; the file is missing, damaged, not ours, or of a
            later version; or it holds no calibrator.
    """

    def __init__(
        self,
        file: str | os.PathLike | ExportedFile,
        provider: str | None = None,
        calibrated: bool = False,
    ) -> None:
        self.file = file if isinstance(file, ExportedFile) else open_file(file, provider)
        metadata = self.file.metadata
        self.num_classes = metadata["num_classes"]
        self.class_names = metadata.get("classes")
        self.thresholds = metadata.get("default_threshold", DEFAULT_THRESHOLD)
        if metadata.get("thresholds") is not None:
            self.thresholds = tuple(metadata["thresholds"])
            self._check_count("thresholds", self.thresholds)
            self.fitted_on = metadata.get("fitted_on") or {}
        self.calibrator = self._read_calibrator() if calibrated else None
        status = metadata["verification"].get("status")
        if status != "verified":
            logger.warning("%s is %s: it may find something else than the model", file, status)

    def __call__(self, image: Any, **options: Any) -> Prediction | list[Prediction]:
        """Detect; of what is found, what counts.

        Args:
            image: see `Sources`: a file, a Pillow image, an array. Of more than one, a list, a
                folder, a pattern, a video, (B, H, W, 3), comes a list; `stream` gives the same one
                by one.
            options: see `pipeline`; `threshold=0` gives all.

        Raises:
            DataError: the file is missing or broken.
            PixelsError: the array is no image; also a ValueError.
        """
        results = list(self.stream(image, **options))
        return results[0] if is_one_image(image) else results

    def detect(self, images: Sequence[np.ndarray]) -> list[Detections]:
        """See `PictureDetector.detect`; a file of a fixed batch is run as often as it takes."""
        canvas = self.file.metadata.get("canvas")
        step = canvas["batch"] if canvas else len(images)
        found = []
        for start in range(0, len(images), step):
            part = images[start : start + step]
            outputs = self.file.run(prepare(part, self.file.metadata).feeds())
            found += [_found(outputs, row, image) for row, image in enumerate(part)]
        return found

    def _read_calibrator(self) -> Calibrator:
        stored = self.file.metadata.get("calibrator")
        if not stored:
            raise ExportError(
                "the file holds no calibrator: export a checkpoint that "
                "`aligndetr analyze --calibrator` wrote"
            )
        try:
            calibrator = Calibrator.from_plain(stored)
        except (ValueError, TypeError, AttributeError) as error:
            raise ExportError(f"the calibrator in the file is damaged: {error}") from error
        self._check_count("calibrator", calibrator.knots)
        return calibrator

    def _check_count(self, name: str, values: Sequence) -> None:
        if len(values) != self.num_classes:
            raise ExportError(
                f"the file has {name} of {len(values)} classes, but finds {self.num_classes}: "
                "its metadata is damaged, export it again"
            )

    def __repr__(self) -> str:
        classes = some(self.class_names) if self.class_names else "without names"
        precision = self.file.metadata["precision"]
        runs = f"{self.file.runtime} on {self.file.provider}"
        return f"Detector({precision}, {self.num_classes} classes ({classes}), {runs})"


def _found(outputs: Arrays, row: int, image: np.ndarray) -> Detections:
    """Detections of one image of a batch; rows without an area are none."""
    boxes, scores, classes = (outputs[name][row] for name in ("boxes", "scores", "classes"))
    found = Detections.of(image.shape[:2], boxes, scores, classes)
    return found[areas(found.boxes) > 0]
