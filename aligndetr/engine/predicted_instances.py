"""Detections as tensors, as `Predictor` returns them; in a notebook, they show themselves."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch
from PIL import Image

from aligndetr.runtime.prediction.choice import Choice
from aligndetr.runtime.prediction.detections import Detections
from aligndetr.runtime.prediction.picture import Picture
from aligndetr.runtime.prediction.result import Prediction, counted, png
from aligndetr.structures import Boxes, Instances

if TYPE_CHECKING:
    import pandas


class PredictedInstances(Instances):
    """What was found in a picture: `pred_boxes`, `scores`, `pred_classes`.

    Args:
        found: the instances.
        picture: in which they are.
        class_names: names by class index, or None.
        thresholds: lowest score of what is drawn: one, or one a class.
    """

    def __init__(
        self,
        found: Instances,
        picture: Picture,
        class_names: Sequence[str] | None,
        thresholds: float | Sequence[float],
    ) -> None:
        super().__init__(found.image_size, **found.get_fields())
        self._picture = picture
        self._class_names = class_names
        self._thresholds = thresholds

    @property
    def names(self) -> list[str]:
        """The class of each detection by its name, or its index where there is none."""
        return self._prediction().names

    def plot(self, threshold: float | None = None) -> Image.Image:
        """The image with boxes, names and scores.

        Args:
            threshold: lowest score of what is drawn; None: what counts, see `Predictor.confident`.

        Raises:
            DataError: the image, which is read again, is not there any more.
        """
        shown = Choice(self._thresholds if threshold is None else threshold)
        return self._prediction(shown, self._picture.read()).plot()

    def to_dataframe(self) -> pandas.DataFrame:
        """One row a detection: image, class, name, score, x0, y0, x1, y1; see `Prediction`."""
        return self._prediction().to_dataframe()

    def all_shown(self) -> PredictedInstances:
        """The same, of which everything is drawn."""
        return PredictedInstances(self, self._picture, self._class_names, 0.0)

    def __getitem__(self, item: int | slice | torch.Tensor) -> PredictedInstances:
        chosen = super().__getitem__(item)
        return PredictedInstances(chosen, self._picture, self._class_names, self._thresholds)

    def __repr__(self) -> str:
        shown = self._prediction(Choice(self._thresholds)).names
        size = "{}x{}".format(*self.image_size)
        return f"PredictedInstances({len(self)} in {size}; of them count: {counted(shown)})"

    def _repr_png_(self) -> bytes:
        return png(self.plot())

    def _prediction(
        self, choose: Choice | None = None, pixels: np.ndarray | None = None
    ) -> Prediction:
        found = detections_of(self)
        found = found if choose is None else choose(found)
        if pixels is None:  # what is asked does not look at them
            pixels = np.empty((0, 0, 3), np.uint8)
        return Prediction(self._picture, found, self._class_names, pixels)


def detections_of(instances: Instances) -> Detections:
    """The same as arrays."""
    boxes, scores = instances.pred_boxes.tensor.float(), instances.scores.float()
    columns = (column.cpu().numpy() for column in (boxes, scores, instances.pred_classes))
    return Detections(tuple(instances.image_size), *columns)


def instances_of(found: Detections) -> Instances:
    """The same as tensors."""
    return Instances(
        found.size,
        pred_boxes=Boxes(torch.from_numpy(found.boxes)),
        scores=torch.from_numpy(found.scores),
        pred_classes=torch.from_numpy(found.classes),
    )
