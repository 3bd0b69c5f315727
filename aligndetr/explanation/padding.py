"""How much a result moves when an image shares a batch with a larger one."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import nn

from aligndetr.errors import UserError
from aligndetr.evaluation.detections import Detections, finite_rows
from aligndetr.evaluation.inference import evaluation_mode
from aligndetr.layers.boxes import pairwise_iou


@dataclass
class PaddedResults:
    """Detections of the same images, alone and padded.

    Attributes:
        alone: of each image by itself.
        padded: of each image beside a larger one.
    """

    alone: Detections
    padded: Detections

    def moves(self, threshold: float) -> tuple[np.ndarray, np.ndarray]:
        """Where the detections of `alone` with some score are when they are padded.

        Each is compared with the padded detection of its class that overlaps it most.

        Args:
            threshold: the lowest score that counts.

        Returns:
            (M,) overlaps of the two, 0 where there is none, and (M,) absolute differences of score.
        """
        found = [
            moves(rows[rows[:, 4] >= threshold], self.padded[image_id])
            for image_id, rows in self.alone.items()
        ]
        nothing = np.zeros(0)
        overlaps = np.concatenate([nothing, *(overlap for overlap, _ in found)])
        return overlaps, np.concatenate([nothing, *(change for _, change in found)])


def moves(rows: np.ndarray, others: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Overlap and difference of score with the nearest of other detections of the same class.

    Args:
        rows: (M, 6) box xyxy, score, class, see `Detections`.
        others: (P, 6) likewise.

    Returns:
        (M,) and (M,); 0 and the whole score where the others have none of the class.
    """
    if not len(rows) or not len(others):
        return np.zeros(len(rows)), rows[:, 4].copy()
    iou = pairwise_iou(torch.as_tensor(rows[:, :4]), torch.as_tensor(others[:, :4]))[0].numpy()
    iou = np.where(rows[:, None, 5] == others[None, :, 5], iou, -1.0)
    # of equally near ones, the one with the most similar score
    difference = np.abs(rows[:, None, 4] - others[None, :, 4])
    best = np.lexsort((difference, -iou), axis=1)[:, 0]
    overlap, change = (np.take_along_axis(x, best[:, None], 1)[:, 0] for x in (iou, difference))
    return np.maximum(overlap, 0), np.where(overlap < 0, rows[:, 4], change)


@torch.inference_mode()
def detect_padded(
    model: nn.Module, batches: Iterable[Sequence[dict[str, Any]]], factor: float
) -> PaddedResults:
    """Detect in each image alone, and in a batch with a black image that is larger.

    What the other image shows plays no part: images see nothing of each other but the padding that
    brings them to one size.

    Args:
        model: a batch -> a dict an image with `instances`; its modes are restored.
        batches: with `image` and `image_id`.
        factor: height and width of the other image, as a multiple of the image's own.

    Raises:
        UserError: the factor is below 1.
    """
    if not 1 <= factor <= 8:
        raise UserError(f"a factor of {factor:g} cannot be: take one from 1 (no padding) to 8")
    results = PaddedResults({}, {})
    with evaluation_mode(model):
        for item in (item for batch in batches for item in batch):
            channels, *sides = item["image"].shape
            larger = item["image"].new_zeros(channels, *(math.ceil(factor * s) for s in sides))
            for found, batch in (
                (results.alone, [item]),
                (results.padded, [item, {"image": larger}]),
            ):
                instances = model(batch)[0]["instances"]
                found[item["image_id"]] = finite_rows(item["image_id"], instances)
    return results
