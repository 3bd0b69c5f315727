"""Necks: feature maps of any width to maps of one width."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import cast

from torch import Tensor, nn

from aligndetr.modeling.backbone.blocks import ConvNorm


class ConvGroupNorm(nn.Module):
    """Convolution with bias, group norm, and an optional activation."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int,
        stride: int,
        num_groups: int,
        activation: nn.Module | None,
    ):
        super().__init__()
        padding = kernel_size // 2
        self.conv = nn.Conv2d(in_channels, out_channels, kernel_size, stride, padding)
        self.norm = nn.GroupNorm(num_groups, out_channels)
        self.activation = activation
        nn.init.xavier_uniform_(self.conv.weight)
        nn.init.zeros_(cast(Tensor, self.conv.bias))

    def forward(self, x: Tensor) -> Tensor:
        """Map (B,in,H,W) to (B,out,H/stride,W/stride)."""
        x = self.norm(self.conv(x))
        return x if self.activation is None else self.activation(x)


class ChannelMapper(nn.Module):
    """Map each backbone level to C channels and append coarser levels.

    The appended levels are 3x3 convolutions of stride 2: the first reads the last backbone level
    (not its mapped version), each further one its predecessor (Deformable DETR, appendix A.2).

    Args:
        in_channels: channels of the levels used, finest first: a mapping from backbone output
            names, or a sequence when the input's own order is meant.
        out_channels: C.
        num_outs: L, at least the number of levels used.
        kernel_size: of the convolutions on the backbone levels.
        num_groups: of the group norms.
        activation: applied after each norm; none in the published detectors.

    Raises:
        ValueError: no input level, fewer outputs than inputs, or C not divisible by the groups.
    """

    def __init__(
        self,
        in_channels: Mapping[str, int] | Sequence[int],
        out_channels: int,
        num_outs: int,
        kernel_size: int = 1,
        num_groups: int = 32,
        activation: nn.Module | None = None,
    ):
        super().__init__()
        named = isinstance(in_channels, Mapping)
        self.in_features = tuple(in_channels) if named else None
        widths = list(in_channels.values()) if named else list(in_channels)
        _check_levels(len(widths), out_channels, num_outs, num_groups)
        self.num_outs = num_outs
        self.convs = nn.ModuleList(
            ConvGroupNorm(width, out_channels, kernel_size, 1, num_groups, activation)
            for width in widths
        )
        extra_widths = [widths[-1]] + [out_channels] * (num_outs - len(widths) - 1)
        self.extra_convs = nn.ModuleList(
            ConvGroupNorm(width, out_channels, 3, 2, num_groups, activation)
            for width in extra_widths[: num_outs - len(widths)]
        )

    def forward(self, features: Mapping[str, Tensor]) -> list[Tensor]:
        """Build the pyramid.

        Args:
            features: backbone outputs, name -> (B,C_l,H_l,W_l).

        Returns:
            L maps (B,C,H_l,W_l), finest first.
        """
        inputs = [features[name] for name in self.in_features or features]
        outputs = [conv(x) for conv, x in zip(self.convs, inputs, strict=True)]
        coarsest = inputs[-1]
        for conv in self.extra_convs:
            coarsest = conv(coarsest)
            outputs.append(coarsest)
        return outputs


class ProjectionNeck(nn.Module):
    """Maps each backbone level to C channels, and adds none (RT-DETR).

    Args:
        in_channels: backbone output -> its channels, finest first.
        out_channels: C.
        num_outs: L, the number of levels; stated here so that a config names it once.
        norm: see `make_norm`.

    Raises:
        ValueError: `num_outs` is not the number of levels.
    """

    def __init__(
        self, in_channels: Mapping[str, int], out_channels: int, num_outs: int, norm: str = "BN"
    ) -> None:
        super().__init__()
        if num_outs != len(in_channels):
            raise ValueError(
                f"num_outs is {num_outs}, but the {len(in_channels)} levels of ProjectionNeck are "
                f"{', '.join(in_channels)}"
            )
        self.in_features = tuple(in_channels)
        self.num_outs = num_outs
        self.convs = nn.ModuleList(
            ConvNorm(width, out_channels, 1, 1, norm) for width in in_channels.values()
        )

    def forward(self, features: Mapping[str, Tensor]) -> list[Tensor]:
        """Backbone outputs, name -> (B, C_l, H_l, W_l), to L maps (B, C, H_l, W_l)."""
        return [
            conv(features[name]) for name, conv in zip(self.in_features, self.convs, strict=True)
        ]


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


def _check_levels(num_inputs: int, out_channels: int, num_outs: int, num_groups: int) -> None:
    if num_inputs == 0:
        raise ValueError("in_channels is empty: name at least one backbone level")
    if num_outs < num_inputs:
        raise ValueError(f"num_outs is {num_outs}, fewer than the {num_inputs} levels given")
    if out_channels % num_groups:
        raise ValueError(f"out_channels {out_channels} is no multiple of num_groups {num_groups}")
