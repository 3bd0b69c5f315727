"""Predictions of many images, collected per process and gathered once."""

from __future__ import annotations

import logging
from abc import abstractmethod
from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np
import torch

from aligndetr import distributed
from aligndetr.errors import DataError
from aligndetr.evaluation.evaluator import DatasetEvaluator, Results
from aligndetr.evaluation.report import copypaste_lines, results_table

logger = logging.getLogger(__name__)


Detections = dict[int, np.ndarray]
"""Of every image that was seen, by id, (M, 6) float32: box, xyxy in pixels of the original image,
score, and contiguous class index."""


class DetectionEvaluator(DatasetEvaluator):
    """Computes numbers from all detections of a dataset at once.

    They are collected as one array an image, which takes one transfer from the device.

    Args:
        dataset: a `DetectionDataset`.

    Attributes:
        task: key of the results.
        title: of their table.
    """

    task: str
    title: str

    def __init__(self, dataset) -> None:
        self.dataset = dataset
        self.reset()

    @abstractmethod
    def metrics(self, detections: Detections) -> dict[str, float]:
        """The numbers by name, NaN where there is nothing to count; in the main process."""

    def reset(self) -> None:
        """Forget all predictions."""
        self._detections: Detections = {}

    def process(self, inputs: Sequence[dict], outputs: Sequence[dict[str, Any]]) -> None:
        """Take one batch; boxes are xyxy pixels of the original images.

        Raises:
            DataError: an `image_id` that the dataset does not have.
        """
        for item, output in zip(inputs, outputs, strict=True):
            if item["image_id"] not in self._index_of:
                raise DataError(
                    f"prediction for image id {item['image_id']}, which the dataset "
                    f"{self.dataset.name!r} does not have; evaluate with the dataset that the "
                    "loader reads (dataloader.evaluator.dataset)"
                )
            rows = finite_rows(item["image_id"], output["instances"])
            self._detections.setdefault(int(item["image_id"]), rows)

    def evaluate(self) -> Results:
        """`{task: metrics}`; also a table in the log, and lines to copy."""
        detections = self._gather()
        if detections is None:
            return {}
        results = {self.task: self.metrics(detections)}
        table = results_table(results[self.task], f"{self.title} in {self.dataset.name}")
        for text in (f"\n{table}", *copypaste_lines(results)):
            logger.info("%s", text)
        return results

    @cached_property
    def _index_of(self) -> dict[int, int]:
        """Place in the dataset by image id."""
        return {self.dataset[i]["image_id"]: i for i in range(len(self.dataset))}

    def _gather(self) -> Detections | None:
        """All processes' detections in the main process, None in the others.

        An image that was seen twice (samplers that pad the last batch do that) counts once.
        """
        shards = distributed.all_gather_object(self._detections)
        if not distributed.is_main():
            return None
        merged: Detections = {}
        for shard in shards:
            for image_id, rows in shard.items():
                merged.setdefault(image_id, rows)
        return merged


def finite_rows(image_id: int, instances) -> np.ndarray:
    """(M, 6) box, score and class of the detections of an image."""
    boxes, scores = instances.pred_boxes.tensor.float(), instances.scores.float()
    columns = (boxes, scores[:, None], instances.pred_classes[:, None].to(boxes))
    rows = torch.cat(columns, dim=1).detach().cpu().numpy()
    finite = np.isfinite(rows).all(axis=1)
    if not finite.all():
        message = "image %s: %d of %d detections are not finite and are left out"
        logger.warning(message, image_id, (~finite).sum(), len(rows))
    return rows[finite]
