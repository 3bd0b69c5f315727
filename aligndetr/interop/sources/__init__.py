"""The checkpoint layouts we know, a module for each origin or family."""

from aligndetr.interop.sources import (
    backbones,
    detrex,
    huggingface,
    mmdetection,
    research,
    rtdetr,
)
from aligndetr.interop.sources.detrex import DETREX, detrex_source
from aligndetr.interop.sources.source import Source

OURS = Source(
    name="aligndetr",
    markers=("encoder.layers.{i}.self_attention.{rest}", "decoder.layers.{i}.{rest}"),
    table=lambda names: [("{name}", "{name}")],
)
SOURCES = (  # the more specific before the more general
    OURS,
    detrex.DAB_DETR,
    detrex.DAB_DEFORMABLE_DETR,
    detrex.DETR,
    DETREX,
    mmdetection.DINO,
    rtdetr.RTDETR,
    huggingface.RTDETR,
    huggingface.DETR,
    huggingface.DEFORMABLE_DETR,
    research.DINO,
    research.DEFORMABLE_DETR,
    research.DETR,
    rtdetr.BACKBONE,
    backbones.MSRA,
    backbones.TORCHVISION,
    backbones.MICROSOFT_SWIN,
    backbones.DETECTRON2,
)

__all__ = ["DETREX", "OURS", "SOURCES", "detrex_source"]
