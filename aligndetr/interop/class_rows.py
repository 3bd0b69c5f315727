"""The rows of class heads and label embeddings: which class each one stands for."""

from __future__ import annotations

from collections.abc import Collection

import torch
from torch import Tensor

from aligndetr.interop.names import fits, fits_any

# The 80 classes of COCO detection by their category ids among 1..90.
COCO_CLASSES: dict[int, str] = {
    1: "person", 2: "bicycle", 3: "car", 4: "motorcycle", 5: "airplane", 6: "bus", 7: "train",
    8: "truck", 9: "boat", 10: "traffic light", 11: "fire hydrant", 13: "stop sign",
    14: "parking meter", 15: "bench", 16: "bird", 17: "cat", 18: "dog", 19: "horse", 20: "sheep",
    21: "cow", 22: "elephant", 23: "bear", 24: "zebra", 25: "giraffe", 27: "backpack",
    28: "umbrella", 31: "handbag", 32: "tie", 33: "suitcase", 34: "frisbee", 35: "skis",
    36: "snowboard", 37: "sports ball", 38: "kite", 39: "baseball bat", 40: "baseball glove",
    41: "skateboard", 42: "surfboard", 43: "tennis racket", 44: "bottle", 46: "wine glass",
    47: "cup", 48: "fork", 49: "knife", 50: "spoon", 51: "bowl", 52: "banana", 53: "apple",
    54: "sandwich", 55: "orange", 56: "broccoli", 57: "carrot", 58: "hot dog", 59: "pizza",
    60: "donut", 61: "cake", 62: "chair", 63: "couch", 64: "potted plant", 65: "bed",
    67: "dining table", 70: "toilet", 72: "tv", 73: "laptop", 74: "mouse", 75: "remote",
    76: "keyboard", 77: "cell phone", 78: "microwave", 79: "oven", 80: "toaster", 81: "sink",
    82: "refrigerator", 84: "book", 85: "clock", 86: "vase", 87: "scissors", 88: "teddy bear",
    89: "hair drier", 90: "toothbrush",
}  # fmt: skip
COCO_NAMES: list[str] = list(COCO_CLASSES.values())
COCO_IDS: list[int] = list(COCO_CLASSES)
COCO_SLOTS = 91  # heads indexed by category id: 0 and ten further ids are unused

HEAD = "decoder.class_heads.{i}.weight"
EMBEDDING = "denoiser.label_embedding.weight"
PROPOSAL_HEAD = "query_source.class_head.{rest}"
CLASS_ROWS = (
    "decoder.class_heads.{i}.{rest}",
    "decoder.one2many_heads.{i}.{rest}",
    PROPOSAL_HEAD,
    EMBEDDING,
)
# A parameter of models whose proposals are rated by the first row of that head alone.
RATED_BY_FIRST_ROW = "query_source.position_proj.weight"


def has_class_rows(name: str) -> bool:
    """Tell whether the first dimension of the parameter counts classes."""
    return fits_any(name, CLASS_ROWS)


def num_classes(tensors: dict[str, Tensor]) -> int | None:
    """Rows of the first class head; None for a model without class heads."""
    return next((len(value) for name, value in tensors.items() if fits(name, HEAD)), None)


def rates_proposals(name: str, state: Collection[str]) -> bool:
    """Tell whether the parameter's first row stands for any object, and its others for nothing."""
    return RATED_BY_FIRST_ROW in state and fits(name, PROPOSAL_HEAD)


def drop_unused_slots(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """Keep the 80 rows of COCO's classes where heads are indexed by category id.

    A label embedding may have a row more than the heads, which no label reaches.
    """
    if num_classes(tensors) != COCO_SLOTS:
        return tensors
    classes, with_first = torch.tensor(COCO_IDS), torch.tensor([0, *COCO_IDS[1:]])
    return {
        name: value.index_select(0, with_first if rates_proposals(name, tensors) else classes)
        if has_class_rows(name)
        else value
        for name, value in tensors.items()
    }


def drop_extra_label(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """Cut the label embedding to the classes of the heads if it has one row more."""
    embedding, classes = tensors.get(EMBEDDING), num_classes(tensors)
    if embedding is None or classes is None or len(embedding) != classes + 1:
        return tensors
    return {**tensors, EMBEDDING: embedding[:classes]}


def row_names(
    tensors: dict[str, Tensor], stated: list[str] | None, is_published: bool
) -> list[str] | None:
    """Names of the class rows.

    Args:
        tensors: under our names.
        stated: what the file says, if anything.
        is_published: of another toolbox, whose 80-class files are trained on COCO.

    Returns:
        One name a row, or None if they are not known.
    """
    classes = num_classes(tensors)
    if stated is not None and len(stated) == classes:
        return list(stated)
    return list(COCO_NAMES) if is_published and classes == len(COCO_NAMES) else None


def common_rows(theirs: list[str] | None, ours: list[str] | None) -> list[tuple[int, int]]:
    """Pairs (their row, our row) of the classes that both sides name."""
    if not theirs or not ours:
        return []
    rows = {name: row for row, name in enumerate(theirs)}
    return [(rows[name], row) for row, name in enumerate(ours) if name in rows]
