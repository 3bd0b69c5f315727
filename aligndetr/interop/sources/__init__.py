"""The checkpoint layouts we know, one module each; the more specific ones first."""

from aligndetr.interop.sources import (
    deformable_detr,
    detectron2_backbone,
    detrex,
    huggingface,
    idea_dino,
    mmdetection,
    msra,
    ours,
    torchvision,
)

SOURCES = (
    ours.SOURCE,
    detrex.SOURCE,
    mmdetection.SOURCE,
    huggingface.SOURCE,
    idea_dino.SOURCE,
    deformable_detr.SOURCE,
    msra.SOURCE,
    torchvision.SOURCE,
    detectron2_backbone.SOURCE,
)
OURS = ours.SOURCE
DETREX = detrex.SOURCE

__all__ = ["DETREX", "OURS", "SOURCES"]
