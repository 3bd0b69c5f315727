"""Boxes with names and scores on an image."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from PIL import Image

from aligndetr.runtime.drawing.boxes import draw_boxes


def draw_instances(
    image: np.ndarray,
    instances,
    class_names: Sequence[str] | None = None,
    threshold: float = 0.0,
) -> Image.Image:
    """Draw predicted or ground-truth objects.

    Lines and letters grow with the image. An image whose longer side is below 480 pixels is
    enlarged by a whole factor first, so the picture may be larger than the image.

    Args:
        image: (H, W, 3) uint8 RGB.
        instances: `pred_boxes`, `pred_classes` and maybe `scores`, or `gt_boxes` and `gt_classes`;
            boxes are xyxy pixels of `image`. detectron2's Instances will do.
        class_names: by class index; without them, or beyond them, the index is written.
        threshold: objects with a lower score are left out.

    Returns:
        An RGB picture; the most confident object is on top.

    Raises:
        ValueError: the image is not (H, W, 3) uint8, or the instances have no boxes.
    """
    kind = next((kind for kind in ("pred", "gt") if instances.has(f"{kind}_boxes")), None)
    if kind is None:
        raise ValueError("instances have neither pred_boxes nor gt_boxes; nothing to draw")
    boxes = instances.get(f"{kind}_boxes").tensor.detach().cpu().numpy()
    classes = instances.get(f"{kind}_classes").tolist()
    scores = instances.get("scores").tolist() if instances.has("scores") else None
    return draw_boxes(image, boxes, classes, scores, class_names, threshold)
