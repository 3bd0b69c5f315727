"""Backbones: images in, feature maps by name out."""

from aligndetr.modeling.backbone.auto import TransformersBackbone
from aligndetr.modeling.backbone.registry import BACKBONES, build_backbone
from aligndetr.modeling.backbone.resnet import ResNet

__all__ = ["BACKBONES", "ResNet", "TransformersBackbone", "build_backbone"]
