"""From the last layer's predictions to objects."""

from __future__ import annotations

import torch
from torch import Tensor

from aligndetr.layers.boxes import cxcywh_to_xyxy
from aligndetr.structures import Boxes, Instances


class TopKPostprocess:
    """The highest scores among all pairs of query and class, without suppression.

    A query may answer for several classes (Deformable-DETR).

    Args:
        num_select: detections kept an image, at most.
    """

    has_no_object = False

    def __init__(self, num_select: int = 300) -> None:
        self.num_select = num_select

    def __call__(
        self, logits: Tensor, boxes: Tensor, sizes: list[tuple[int, int]]
    ) -> list[Instances]:
        """Select and scale.

        Args:
            logits: (B, Q, K).
            boxes: (B, Q, 4) cxcywh normalised.
            sizes: B times (height, width) in pixels of the image that boxes should refer to.

        Returns:
            B Instances with `pred_boxes` (xyxy pixels, clipped, never empty), `scores` in [0, 1]
            in descending order and `pred_classes`.
        """
        num_classes = logits.shape[-1]
        probabilities = _upcast(logits).sigmoid()
        flat = probabilities.flatten(1)
        scores, index = flat.topk(min(self.num_select, flat.shape[1]), dim=1)
        boxes = cxcywh_to_xyxy(boxes).gather(1, (index // num_classes)[..., None].expand(-1, -1, 4))
        return [
            _to_pixels(box.float(), score, label, size)
            for box, score, label, size in zip(
                boxes, scores, index % num_classes, sizes, strict=True
            )
        ]


class ArgmaxPostprocess:
    """Every query with its most probable class, "no object" left aside (DETR)."""

    has_no_object = True

    def __call__(
        self, logits: Tensor, boxes: Tensor, sizes: list[tuple[int, int]]
    ) -> list[Instances]:
        """Scale all of them; see `TopKPostprocess`.

        Args:
            logits: (B, Q, K + 1), the last one "no object".
            boxes: (B, Q, 4) cxcywh normalised.
            sizes: B times (height, width) in pixels.
        """
        probabilities = _upcast(logits).softmax(-1)[..., :-1]
        scores, labels = probabilities.max(-1)
        scores, order = scores.sort(dim=1, descending=True, stable=True)
        boxes = cxcywh_to_xyxy(boxes).gather(1, order.unsqueeze(-1).expand(-1, -1, 4))
        return [
            _to_pixels(box.float(), score, label, size)
            for box, score, label, size in zip(
                boxes, scores, labels.gather(1, order), sizes, strict=True
            )
        ]


def _upcast(logits: Tensor) -> Tensor:
    return logits.to(torch.promote_types(logits.dtype, torch.float32))


def _to_pixels(boxes: Tensor, scores: Tensor, labels: Tensor, size: tuple[int, int]) -> Instances:
    height, width = size
    pixels = Boxes(boxes).scale(width, height).clip(size)
    instances = Instances(size, pred_boxes=pixels, scores=scores, pred_classes=labels)
    return instances[pixels.nonempty()]
