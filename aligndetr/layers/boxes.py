"""Box arithmetic on plain tensors. Coordinates may be pixels or normalised; both boxes alike."""

from __future__ import annotations

import torch
from torch import Tensor


def cxcywh_to_xyxy(boxes: Tensor) -> Tensor:
    """(..., 4) centre, width, height -> left, top, right, bottom."""
    center, size = boxes.chunk(2, dim=-1)
    half = 0.5 * size
    return torch.cat([center - half, center + half], dim=-1)


def xyxy_to_cxcywh(boxes: Tensor) -> Tensor:
    """(..., 4) left, top, right, bottom -> centre, width, height."""
    low, high = boxes.chunk(2, dim=-1)
    return torch.cat([(low + high) / 2, high - low], dim=-1)


def box_area(boxes: Tensor) -> Tensor:
    """(..., 4) xyxy -> (...) areas."""
    low, high = boxes.chunk(2, dim=-1)
    width, height = (high - low).unbind(-1)
    return width * height


def paired_iou(boxes1: Tensor, boxes2: Tensor, eps: float = 1e-6) -> tuple[Tensor, Tensor]:
    """Intersection over union of boxes that broadcast against each other.

    Args:
        boxes1, boxes2: (..., 4) xyxy.
        eps: added to the denominator, as in the published code; IoU of equal boxes is just below 1.

    Returns:
        IoU and union, both of the broadcast shape (...).
    """
    (low1, high1), (low2, high2) = boxes1.chunk(2, -1), boxes2.chunk(2, -1)
    low, high = torch.maximum(low1, low2), torch.minimum(high1, high2)
    width, height = (high - low).clamp(min=0).unbind(-1)
    intersection = width * height
    union = box_area(boxes1) + box_area(boxes2) - intersection
    return intersection / (union + eps), union


def paired_giou(boxes1: Tensor, boxes2: Tensor, eps: float = 1e-6) -> Tensor:
    """GIoU in (-1, 1] of boxes that broadcast: the second of `paired_overlaps`."""
    return paired_overlaps(boxes1, boxes2, eps)[1]


def paired_overlaps(boxes1: Tensor, boxes2: Tensor, eps: float = 1e-6) -> tuple[Tensor, Tensor]:
    """IoU and generalised IoU (Rezatofighi et al., 2019, eq. 1) of boxes that broadcast.

    Args:
        boxes1, boxes2: (..., 4) xyxy.
        eps: added to all denominators.

    Returns:
        IoU in [0, 1) and GIoU in (-1, 1], both of the broadcast shape (...).
    """
    iou, union = paired_iou(boxes1, boxes2, eps)
    (low1, high1), (low2, high2) = boxes1.chunk(2, -1), boxes2.chunk(2, -1)
    low, high = torch.minimum(low1, low2), torch.maximum(high1, high2)
    width, height = (high - low).clamp(min=0).unbind(-1)
    hull = width * height
    return iou, iou - (hull - union) / (hull + eps)


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
