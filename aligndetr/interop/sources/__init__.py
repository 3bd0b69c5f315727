"""The checkpoint layouts we know, one module each; the more specific ones first."""

from collections.abc import Collection

from aligndetr.interop.source import Source
from aligndetr.interop.sources import (
    dab_deformable_detr,
    dab_detr,
    deformable_detr,
    detectron2_backbone,
    detr,
    detr_huggingface,
    detrex,
    detrex_detr,
    huggingface,
    idea_dino,
    mmdetection,
    msra,
    ours,
    rtdetr,
    rtdetr_huggingface,
    swin,
    torchvision,
)

SOURCES = (
    ours.SOURCE,
    dab_detr.SOURCE,
    dab_deformable_detr.SOURCE,
    detrex_detr.SOURCE,
    detrex.SOURCE,
    mmdetection.SOURCE,
    rtdetr.SOURCE,
    rtdetr_huggingface.SOURCE,
    detr_huggingface.SOURCE,
    huggingface.SOURCE,
    idea_dino.SOURCE,
    deformable_detr.SOURCE,
    detr.SOURCE,
    rtdetr.BACKBONE,
    msra.SOURCE,
    torchvision.SOURCE,
    swin.SOURCE,
    detectron2_backbone.SOURCE,
)
OURS = ours.SOURCE
DETREX = detrex.SOURCE

# A parameter of ours that only this model of the family has -> its names in detrex; in order.
_DETREX_VARIANTS = {
    "query_source.position.weight": detrex_detr.SOURCE,
    "decoder.position_mlp.size.layers.0.weight": dab_detr.SOURCE,
    "decoder.position_mlp.scale.layers.0.weight": dab_deformable_detr.SOURCE,
}

__all__ = ["DETREX", "OURS", "SOURCES", "detrex_layout"]


def detrex_layout(names: Collection[str]) -> Source:
    """Names in detrex of a model with these parameters."""
    variants = (source for name, source in _DETREX_VARIANTS.items() if name in names)
    return next(variants, DETREX)
