"""One feature map instead of a pyramid."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import torch
from torch import Tensor, nn

from aligndetr.modeling.pyramid import PlainPyramidBuilder, Pyramid


class MapProjection(nn.Module):
    """The neck of detectors with one feature map: a 1x1 convolution (DETR, section 3.2).

    Args:
        in_channels: {name of the backbone output: its channels}, one entry.
        out_channels: C.

    Raises:
        ValueError: not exactly one backbone output.
    """

    def __init__(self, in_channels: Mapping[str, int], out_channels: int) -> None:
        super().__init__()
        if len(in_channels) != 1:
            raise ValueError(f"MapProjection reads one backbone output, not {list(in_channels)}")
        [(self.in_feature, width)] = in_channels.items()
        self.conv = nn.Conv2d(width, out_channels, kernel_size=1)

    def forward(self, features: Mapping[str, Tensor]) -> list[Tensor]:
        """Backbone outputs, name -> (B, C', H, W), to one map (B, C, H, W)."""
        return [self.conv(features[self.in_feature])]


class FeatureMap(PlainPyramidBuilder):
    """Flattens one feature map.

    Dense attention compares positions in the unpadded image, whatever the size of the padded map.
    Valid ratios are therefore 1: references are the boxes themselves.

    Args:
        position_embedding: (B, H, W) padding, dtype -> (B, H, W, C).
    """

    def __init__(self, position_embedding: nn.Module) -> None:
        super().__init__()
        self.position_embedding = position_embedding

    def forward(self, levels: Sequence[Tensor], padding: Tensor, is_padded: bool) -> Pyramid:
        """Flatten a list of one map (B, C, H, W); see `PyramidBuilder.forward`.

        Raises:
            ValueError: there is more than one map.
        """
        if len(levels) != 1:
            raise ValueError(f"FeatureMap takes one map, the neck gives {len(levels)}")
        pyramid = super().forward(levels, padding, is_padded)
        mask = padding.new_zeros(1, *pyramid.shapes[0])
        if pyramid.padding is not None:
            mask = pyramid.padding.unflatten(1, pyramid.shapes[0])
        position = self.position_embedding(mask, pyramid.centers.dtype).flatten(1, 2)
        return replace(
            pyramid,
            position=position.expand(len(pyramid.tokens), -1, -1),
            valid_ratios=torch.ones_like(pyramid.valid_ratios),
        )
