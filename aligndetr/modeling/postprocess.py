"""From the last layer's predictions to objects."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from aligndetr.layers.boxes import cxcywh_to_xyxy
from aligndetr.structures import Boxes, Instances


@dataclass
class TopKPostprocess:
    """The highest scores among all pairs of query and class, without suppression.

    A query may answer for several classes (Deformable-DETR).

    Args:
        num_select: detections kept an image, at most.
    """

    num_select: int = 300

    has_no_object = False

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
        probabilities = _upcast(logits).sigmoid().flatten(1)
        scores, index = probabilities.topk(min(self.num_select, probabilities.shape[1]), dim=1)
        return _objects(boxes, index // num_classes, scores, index % num_classes, sizes)


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
        return _objects(boxes, order, scores, labels.gather(1, order), sizes)


def _upcast(logits: Tensor) -> Tensor:
    return logits.to(torch.promote_types(logits.dtype, torch.float32))


def _objects(
    boxes: Tensor, queries: Tensor, scores: Tensor, labels: Tensor, sizes: list[tuple[int, int]]
) -> list[Instances]:
    """Of the chosen `queries` (B, N), whose scores and labels come in the same order."""
    chosen = cxcywh_to_xyxy(boxes).gather(1, queries.unsqueeze(-1).expand(-1, -1, 4)).float()
    found = []
    for box, score, label, size in zip(chosen, scores, labels, sizes, strict=True):
        height, width = size
        pixels = Boxes(box).scale(width, height).clip(size)
        instances = Instances(size, pred_boxes=pixels, scores=score, pred_classes=label)
        found.append(instances[pixels.nonempty()])
    return found
