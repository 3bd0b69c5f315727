"""From the last layer's predictions to objects."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from aligndetr.layers.boxes import cxcywh_to_xyxy
from aligndetr.structures import Boxes, Instances


class Selection(NamedTuple):
    """N detections of each image, best first.

    Attributes:
        boxes: (B, N, 4) xyxy, normalised.
        scores: (B, N) in [0, 1].
        classes: (B, N) class index.
    """

    boxes: Tensor
    scores: Tensor
    classes: Tensor


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
        return _objects(self.select(logits, boxes), sizes)

    def select(self, logits: Tensor, boxes: Tensor) -> Selection:
        """The same before boxes get the size of their image; arguments as above."""
        num_classes = logits.shape[-1]
        probabilities = _upcast(logits).sigmoid().flatten(1)
        scores, index = probabilities.topk(min(self.num_select, probabilities.shape[1]), dim=1)
        return _selection(boxes, index // num_classes, scores, index % num_classes)


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
        return _objects(self.select(logits, boxes), sizes)

    def select(self, logits: Tensor, boxes: Tensor) -> Selection:
        """The same before boxes get the size of their image; arguments as above."""
        probabilities = _upcast(logits).softmax(-1)[..., :-1]
        scores, labels = probabilities.max(-1)
        scores, order = scores.sort(dim=1, descending=True, stable=True)
        return _selection(boxes, order, scores, labels.gather(1, order))


def _upcast(logits: Tensor) -> Tensor:
    return logits.to(torch.promote_types(logits.dtype, torch.float32))


def _selection(boxes: Tensor, queries: Tensor, scores: Tensor, labels: Tensor) -> Selection:
    """Of the chosen `queries` (B, N), whose scores and labels come in the same order."""
    chosen = cxcywh_to_xyxy(boxes).gather(1, queries.unsqueeze(-1).expand(-1, -1, 4)).float()
    return Selection(chosen, scores, labels)


def _objects(selection: Selection, sizes: list[tuple[int, int]]) -> list[Instances]:
    """Boxes in pixels, without empty ones; the host waits for the device once, for all images."""
    ends = selection.boxes.new_tensor([[w, h, w, h] for h, w in sizes]).unsqueeze(1)
    boxes = torch.minimum((selection.boxes * ends).clamp(min=0), ends)
    nonempty = (boxes[..., 2:] > boxes[..., :2]).all(-1).cpu()
    found = []
    for box, score, label, kept, size in zip(
        boxes, selection.scores, selection.classes, nonempty, sizes, strict=True
    ):
        instances = Instances(size, pred_boxes=Boxes(box), scores=score, pred_classes=label)
        if not kept.all():
            instances = instances[kept.nonzero().squeeze(1).to(box.device)]
        found.append(instances)
    return found
