"""Several scales from the one feature map of a plain vision transformer."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn


class ChannelLayerNorm(nn.LayerNorm):
    """LayerNorm over the channels of (B, C, H, W), at each position."""

    def forward(self, x: Tensor) -> Tensor:
        """Normalise; the shape stays."""
        return super().forward(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


class SimpleFeaturePyramid(nn.Module):
    """Resamples one feature map to several scales (ViTDet, Li et al., 2022, section 3).

    Finer levels come from transposed convolutions of stride 2, which halve the channels, coarser
    ones from max pooling; a 1x1 and a 3x3 convolution, each with LayerNorm, follow on every level.
    There is no top-down path.

    Args:
        net: the backbone.
        in_feature: the output of it that is resampled.
        scales: level -> how much finer than that output: 4, 2, 1, 0.5, ... Finest first.
        out_channels: of every level.

    Attributes:
        channels: channels of each level by name.
        strides: input pixels per output pixel, by name.

    Raises:
        ValueError: the backbone has no such output, or it cannot be scaled like that.
    """

    def __init__(
        self, net: Any, in_feature: str, scales: Mapping[str, float], out_channels: int = 256
    ) -> None:
        super().__init__()
        if in_feature not in net.strides:
            raise ValueError(f"in_feature {in_feature!r}: the backbone gives {list(net.strides)}")
        self.net = net
        self.in_feature = in_feature
        width, stride = net.channels[in_feature], net.strides[in_feature]
        self.levels = nn.ModuleDict(
            {name: _level(width, scale, out_channels) for name, scale in scales.items()}
        )
        self.channels = dict.fromkeys(scales, out_channels)
        self.strides = {name: _stride(stride, scale) for name, scale in scales.items()}

    @property
    def layers(self) -> list[nn.Module]:
        """The backbone's blocks: what activation checkpointing works on."""
        return self.net.layers

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        """Map normalised images (B,3,H,W) to level -> (B,C,ceil(H/stride),ceil(W/stride))."""
        height, width = images.shape[-2:]
        single = self.net(images)[self.in_feature]
        maps = {}
        for name, level in self.levels.items():
            stride = self.strides[name]
            maps[name] = level(single)[..., : -(-height // stride), : -(-width // stride)]
        return maps


def _level(width: int, scale: float, out_channels: int) -> nn.Sequential:
    steps = math.log2(scale) if scale > 0 else 0.5
    if steps % 1 or width % max(1, scale):
        raise ValueError(f"scale {scale} of {width} channels: give a power of two such as 2 or 0.5")
    layers: list[nn.Module] = []
    for step in range(round(steps)):
        if step:
            layers += [ChannelLayerNorm(width), nn.GELU()]
        layers.append(nn.ConvTranspose2d(width, width // 2, kernel_size=2, stride=2))
        width //= 2
    for _ in range(round(-steps)):
        layers.append(nn.MaxPool2d(kernel_size=2, stride=2, ceil_mode=True))
    layers += [nn.Conv2d(width, out_channels, 1, bias=False), ChannelLayerNorm(out_channels)]
    layers += [nn.Conv2d(out_channels, out_channels, 3, padding=1, bias=False)]
    return nn.Sequential(*layers, ChannelLayerNorm(out_channels))


def _stride(stride: int, scale: float) -> int:
    if (stride / scale) % 1:
        raise ValueError(f"scale {scale} of a map with stride {stride}: no whole number of pixels")
    return int(stride / scale)
