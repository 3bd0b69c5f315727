"""The checkpoint layouts we know, one module each, named <origin>_<model>."""

from collections.abc import Collection

from aligndetr.interop.sources import (
    detectron2_resnet,
    detrex_dab_deformable_detr,
    detrex_dab_detr,
    detrex_detr,
    detrex_dino,
    facebook_detr,
    fundamentalvision_deformable_detr,
    huggingface_deformable_detr,
    huggingface_detr,
    huggingface_rtdetr,
    idea_dino,
    lyuwenyu_rtdetr,
    microsoft_swin,
    mmdetection_dino,
    msra_resnet,
    torchvision_resnet,
)
from aligndetr.interop.sources.source import Source

OURS = Source(
    name="aligndetr",
    markers=("encoder.layers.{i}.self_attention.{rest}", "decoder.layers.{i}.{rest}"),
    table=lambda names: [("{name}", "{name}")],
)
DETREX = detrex_dino.SOURCE
SOURCES = (  # the more specific before the more general
    OURS,
    detrex_dab_detr.SOURCE,
    detrex_dab_deformable_detr.SOURCE,
    detrex_detr.SOURCE,
    DETREX,
    mmdetection_dino.SOURCE,
    lyuwenyu_rtdetr.SOURCE,
    huggingface_rtdetr.SOURCE,
    huggingface_detr.SOURCE,
    huggingface_deformable_detr.SOURCE,
    idea_dino.SOURCE,
    fundamentalvision_deformable_detr.SOURCE,
    facebook_detr.SOURCE,
    lyuwenyu_rtdetr.BACKBONE,
    msra_resnet.SOURCE,
    torchvision_resnet.SOURCE,
    microsoft_swin.SOURCE,
    detectron2_resnet.SOURCE,
)

# A parameter of ours that only this model of the family has -> its names in detrex; in order.
_DETREX_VARIANTS = {
    "query_source.position.weight": detrex_detr.SOURCE,
    "decoder.position_mlp.size.layers.0.weight": detrex_dab_detr.SOURCE,
    "decoder.position_mlp.scale.layers.0.weight": detrex_dab_deformable_detr.SOURCE,
}

__all__ = ["DETREX", "OURS", "SOURCES", "detrex_source"]


def detrex_source(names: Collection[str]) -> Source:
    """Names in detrex of a model with these parameters."""
    return next((source for name, source in _DETREX_VARIANTS.items() if name in names), DETREX)
