"""A neck of 1x1 convolutions with batch norm."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor, nn

from aligndetr.modeling.backbone.blocks import ConvNorm


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
