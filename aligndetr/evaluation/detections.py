"""Predictions of many images as flat arrays, collected per process and gathered once."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

logger = logging.getLogger(__name__)


@dataclass
class Detections:
    """M detections of N images, those of one image side by side.

    Attributes:
        image_ids: (N,) int64, every image that was seen, also one without detections.
        counts: (N,) int64, detections of each image.
        boxes: (M, 4) float32 xyxy in pixels of the original image.
        scores: (M,) float32.
        classes: (M,) int64, contiguous class indices.
    """

    image_ids: np.ndarray
    counts: np.ndarray
    boxes: np.ndarray
    scores: np.ndarray
    classes: np.ndarray

    @property
    def image_of_each(self) -> np.ndarray:
        """(M,) the image id of every detection."""
        return np.repeat(self.image_ids, self.counts)

    @property
    def slices(self) -> list[tuple[int, slice]]:
        """(image id, range of its detections), N times."""
        ends = np.cumsum(self.counts)
        starts = ends - self.counts
        spans = zip(self.image_ids.tolist(), starts.tolist(), ends.tolist(), strict=True)
        return [(image_id, slice(start, end)) for image_id, start, end in spans]


class DetectionCollector:
    """Collects the detections of this process as one float array an image.

    One array an image means one transfer from the device, and a handful of arrays to send
    to the main process in the end, instead of thousands of small tensors.
    """

    def __init__(self) -> None:
        self._image_ids: list[int] = []
        self._rows: list[np.ndarray] = []

    def add(self, image_id: int, instances) -> None:
        """Take the detections of one image.

        Args:
            image_id: id in the annotation file.
            instances: `pred_boxes` (xyxy pixels of the original image), `scores`, `pred_classes`.
        """
        boxes, scores = instances.pred_boxes.tensor.float(), instances.scores.float()
        columns = (boxes, scores[:, None], instances.pred_classes[:, None].to(boxes))
        rows = torch.cat(columns, dim=1).detach().cpu().numpy()
        finite = np.isfinite(rows).all(axis=1)
        if not finite.all():
            message = "image %s: %d of %d detections are not finite and are left out"
            logger.warning(message, image_id, (~finite).sum(), len(rows))
            rows = rows[finite]
        self._image_ids.append(int(image_id))
        self._rows.append(rows)

    def gather(self) -> Detections | None:
        """All processes' detections in the main process, None in the others.

        An image that was seen twice (samplers that pad the last batch do that) counts once.
        """
        from aligndetr.distributed import all_gather_object, is_main

        counts = np.array([len(rows) for rows in self._rows], dtype=np.int64)
        mine = (np.array(self._image_ids, dtype=np.int64), counts, _stack(self._rows))
        shards = all_gather_object(mine)
        if not is_main():
            return None
        image_ids, counts = (np.concatenate([s[i] for s in shards]) for i in (0, 1))
        rows = _stack([shard[2] for shard in shards])
        first = np.zeros(len(image_ids), dtype=bool)
        first[np.unique(image_ids, return_index=True)[1]] = True
        rows = rows[np.repeat(first, counts)]
        classes = rows[:, 5].astype(np.int64)
        return Detections(image_ids[first], counts[first], rows[:, :4], rows[:, 4], classes)


def _stack(rows: Sequence[np.ndarray]) -> np.ndarray:
    return np.concatenate(rows) if rows else np.zeros((0, 6), dtype=np.float32)
