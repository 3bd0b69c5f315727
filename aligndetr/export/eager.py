"""What an exported file must agree with: the detector in PyTorch, in float32, image by image."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from aligndetr.data.augmentation import apply_augmentations


@dataclass(frozen=True)
class Result:
    """What was computed for one image.

    Attributes:
        logits: (Q, K) before post-processing.
        query_boxes: (Q, 4) cxcywh, normalised.
        rows: (M, 6) box (xyxy pixels of the original), score and class of the detections.
    """

    logits: np.ndarray
    query_boxes: np.ndarray
    rows: np.ndarray


@torch.inference_mode()
def detect_eagerly(model: Any, mapper: Any, image: np.ndarray) -> Result:
    """Detect as `Predictor` does.

    Args:
        model: in evaluation mode.
        mapper: of the evaluation.
        image: (H, W, 3) uint8 RGB.
    """
    pixels = image[:, :, ::-1] if mapper.image_format == "BGR" else image
    resized, _ = apply_augmentations(mapper.augmentation, pixels, np.random.default_rng(0))
    tensor = torch.from_numpy(np.ascontiguousarray(resized.transpose(2, 0, 1)))
    predictions = model.detect(model.preprocess([{"image": tensor}])).predictions
    logits, boxes = predictions.logits[-1], predictions.boxes[-1]
    [found] = model.postprocess(logits, boxes, [image.shape[:2]])
    columns = (found.scores[:, None], found.pred_classes[:, None].float())
    rows = torch.cat([found.pred_boxes.tensor, *columns], dim=1)
    return Result(logits[0].cpu().numpy(), boxes[0].cpu().numpy(), rows.cpu().numpy())


def result_of(outputs: dict[str, np.ndarray], index: int = 0) -> Result:
    """What an exported file computed for one of its images."""
    boxes, scores, classes = (outputs[name][index] for name in ("boxes", "scores", "classes"))
    rows = np.concatenate([boxes, scores[:, None], classes[:, None].astype(boxes.dtype)], axis=1)
    has_area = (boxes[:, 2] > boxes[:, 0]) & (boxes[:, 3] > boxes[:, 1])
    return Result(outputs["logits"][index], outputs["query_boxes"][index], rows[has_area])
