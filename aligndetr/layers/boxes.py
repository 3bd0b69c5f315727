"""Box arithmetic on plain tensors. Coordinates may be pixels or normalised; both boxes alike."""

from __future__ import annotations

import torch
from torch import Tensor


def cxcywh_to_xyxy(boxes: Tensor) -> Tensor:
    """(..., 4) centre, width, height -> left, top, right, bottom."""
    center, size = boxes[..., :2], boxes[..., 2:]
    return torch.cat([center - 0.5 * size, center + 0.5 * size], dim=-1)


def xyxy_to_cxcywh(boxes: Tensor) -> Tensor:
    """(..., 4) left, top, right, bottom -> centre, width, height."""
    low, high = boxes[..., :2], boxes[..., 2:]
    return torch.cat([(low + high) / 2, high - low], dim=-1)


def box_area(boxes: Tensor) -> Tensor:
    """(..., 4) xyxy -> (...) areas."""
    return (boxes[..., 2] - boxes[..., 0]) * (boxes[..., 3] - boxes[..., 1])


def paired_iou(boxes1: Tensor, boxes2: Tensor, eps: float = 1e-6) -> tuple[Tensor, Tensor]:
    """Intersection over union of boxes that broadcast against each other.

    Args:
        boxes1, boxes2: (..., 4) xyxy.
        eps: added to the denominator, as in the published code; IoU of equal boxes is just below 1.

    Returns:
        IoU and union, both of the broadcast shape (...).
    """
    low = torch.maximum(boxes1[..., :2], boxes2[..., :2])
    high = torch.minimum(boxes1[..., 2:], boxes2[..., 2:])
    width, height = (high - low).clamp(min=0).unbind(-1)
    intersection = width * height
    union = box_area(boxes1) + box_area(boxes2) - intersection
    return intersection / (union + eps), union


def paired_giou(boxes1: Tensor, boxes2: Tensor, eps: float = 1e-6) -> Tensor:
    """Generalised IoU (Rezatofighi et al., 2019, eq. 1) of boxes that broadcast.

    Args:
        boxes1, boxes2: (..., 4) xyxy.
        eps: added to both denominators.

    Returns:
        GIoU in (-1, 1], of the broadcast shape (...).
    """
    iou, union = paired_iou(boxes1, boxes2, eps)
    low = torch.minimum(boxes1[..., :2], boxes2[..., :2])
    high = torch.maximum(boxes1[..., 2:], boxes2[..., 2:])
    width, height = (high - low).clamp(min=0).unbind(-1)
    hull = width * height
    return iou - (hull - union) / (hull + eps)


def pairwise_iou(boxes1: Tensor, boxes2: Tensor, eps: float = 1e-6) -> tuple[Tensor, Tensor]:
    """IoU and union of every box of (..., N, 4) with every box of (..., M, 4): (..., N, M)."""
    return paired_iou(boxes1.unsqueeze(-2), boxes2.unsqueeze(-3), eps)


def pairwise_giou(boxes1: Tensor, boxes2: Tensor, eps: float = 1e-6) -> Tensor:
    """GIoU of every box of (..., N, 4) with every box of (..., M, 4), xyxy: (..., N, M)."""
    return paired_giou(boxes1.unsqueeze(-2), boxes2.unsqueeze(-3), eps)


def inverse_sigmoid(x: Tensor, eps: float = 1e-3) -> Tensor:
    """From coordinates to unbounded logits: log(x / (1 - x)), both terms at least `eps`.

    Args:
        x: any shape; values outside [0, 1] are clamped.
        eps: 1e-3 in this family's published code; 1e-5 in Hugging Face's and RT-DETR's.
    """
    x = x.clamp(0, 1)
    return (x.clamp(min=eps) / (1 - x).clamp(min=eps)).log()
