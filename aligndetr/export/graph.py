"""The whole of a detector's evaluation as one module of tensors: pixels in, detections out."""

from __future__ import annotations

import contextlib
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from aligndetr.errors import ExportError
from aligndetr.structures import ImageBatch


class GraphOutput(NamedTuple):
    """What a graph computes for B images.

    Attributes:
        boxes: (B, N, 4) xyxy in pixels of the original images, cut to them; those without an area
            are detections of nothing.
        scores: (B, N) in [0, 1], best first.
        classes: (B, N) int64 class index.
        logits: (B, Q, K) of the last layer's queries, K + 1 where the last is "no object".
        query_boxes: (B, Q, 4) cxcywh, normalised to the unpadded image.
    """

    boxes: Tensor
    scores: Tensor
    classes: Tensor
    logits: Tensor
    query_boxes: Tensor


_PAIR, _FOUND, _QUERY = ("batch", ""), ("batch", "detections", ""), ("batch", "queries", "")
FREE_SIZES = {
    "images": ("batch", "", "height", "width"),
    "sizes": _PAIR,
    "original_sizes": _PAIR,
    "boxes": _FOUND,
    "scores": _FOUND[:2],
    "classes": _FOUND[:2],
    "logits": _QUERY,
    "query_boxes": _QUERY,
}
"""What the dimensions of inputs and outputs are called, where they are free."""


class DetectionGraph(nn.Module):
    """What is exported: normalisation, padding mask, detector and post-processing.

    Args:
        detector: in evaluation mode.
        half: let linear layers, convolutions and attention run in float16, as autocast does.

    Raises:
        ExportError: a part cannot be exported.
    """

    def __init__(self, detector: nn.Module, half: bool = False) -> None:
        super().__init__()
        check_exportable(detector)
        self.detector = detector
        self.half_precision = half

    def forward(
        self, images: Tensor, sizes: Tensor, original_sizes: Tensor
    ) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
        """Detect.

        Args:
            images: (B, 3, H, W) uint8 or float, 0 to 255, channels as the config orders them; what
                lies right of and below an image is padding, whatever it holds.
            sizes: (B, 2) int64 height and width of each image in `images`.
            original_sizes: (B, 2) int64 height and width that boxes shall refer to.

        Returns:
            The fields of `GraphOutput`, as a tuple, which needs none of our classes to be read.
        """
        detector: Any = self.detector
        height, width = images.shape[-2:]
        below = torch.arange(height, device=images.device) >= sizes[:, :1]  # (B, H)
        right = torch.arange(width, device=images.device) >= sizes[:, 1:]  # (B, W)
        padding = below.unsqueeze(2) | right.unsqueeze(1)
        pixels = (images.float() - detector.pixel_mean) / detector.pixel_std
        pixels = pixels.masked_fill(padding.unsqueeze(1), 0.0)
        with self._precision():
            predictions = detector.detect(ImageBatch(pixels, padding, None)).predictions
        logits, boxes = predictions.logits[-1].float(), predictions.boxes[-1].float()
        found = detector.postprocess.select(logits, boxes)
        limits = original_sizes.to(boxes.dtype).flip(1).repeat(1, 2).unsqueeze(1)  # (B, 1, 4)
        in_pixels = torch.minimum((found.boxes * limits).clamp(min=0), limits)
        return tuple(GraphOutput(in_pixels, found.scores, found.classes, logits, boxes))

    def _precision(self) -> contextlib.AbstractContextManager:
        if self.half_precision:
            return torch.autocast("cpu", torch.float16)
        return contextlib.nullcontext()


def check_exportable(detector: nn.Module) -> None:
    """See that every part of a detector can be exported.

    A module that cannot says why in its attribute `not_exportable`.

    Raises:
        ExportError: names the first part that cannot.
    """
    for name, module in detector.named_modules():
        reason = getattr(module, "not_exportable", None)
        if reason:
            raise ExportError(
                f"model.{name} ({type(module).__name__}) cannot be exported: {reason}"
            )
    if not hasattr(getattr(detector, "postprocess", None), "select"):
        kind = type(getattr(detector, "postprocess", None)).__name__
        raise ExportError(
            f"model.postprocess ({kind}) cannot be exported: it has no `select`, see "
            "aligndetr.modeling.postprocess"
        )
