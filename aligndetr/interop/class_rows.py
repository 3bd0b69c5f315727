"""The rows of class heads and label embeddings: which class each one stands for."""

from __future__ import annotations

import torch
from torch import Tensor

from aligndetr.interop.coco_classes import COCO_IDS, COCO_NAMES, COCO_SLOTS
from aligndetr.interop.names import fits, fits_any

HEAD = "decoder.class_heads.{i}.weight"
EMBEDDING = "denoiser.label_embedding.weight"
CLASS_ROWS = ("decoder.class_heads.{i}.{rest}", "query_source.class_head.{rest}", EMBEDDING)


def has_class_rows(name: str) -> bool:
    """Tell whether the first dimension of the parameter counts classes."""
    return fits_any(name, CLASS_ROWS)


def num_classes(tensors: dict[str, Tensor]) -> int | None:
    """Rows of the first class head; None for a model without class heads."""
    return next((len(value) for name, value in tensors.items() if fits(name, HEAD)), None)


def drop_unused_slots(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """Keep the 80 rows of COCO's classes where heads are indexed by category id.

    A label embedding may have a row more than the heads, which no label reaches.
    """
    if num_classes(tensors) != COCO_SLOTS:
        return tensors
    ids = torch.tensor(COCO_IDS)
    return {
        name: value.index_select(0, ids) if has_class_rows(name) else value
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
