"""Backbones: images in, feature maps by name out."""

from aligndetr.modeling.backbone.auto import TransformersBackbone
from aligndetr.modeling.backbone.blocks import DeepStem, PooledShortcut
from aligndetr.modeling.backbone.registry import BACKBONES, build_backbone
from aligndetr.modeling.backbone.resnet import ResNet
from aligndetr.modeling.backbone.simple_pyramid import SimpleFeaturePyramid

__all__ = [
    "BACKBONES",
    "DeepStem",
    "PooledShortcut",
    "ResNet",
    "SimpleFeaturePyramid",
    "TransformersBackbone",
    "build_backbone",
]
