"""The hybrid encoder: attention within the coarsest level, convolutions across levels."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from aligndetr.layers import repeat
from aligndetr.modeling.backbone.blocks import ConvNorm
from aligndetr.modeling.pyramid import Pyramid, flatten_map


class RepVGGBlock(nn.Module):
    """The sum of a 3x3 and a 1x1 convolution, then SiLU (Ding et al., RepVGG, 2021).

    Args:
        channels: of input and output.
        norm: see `make_norm`.
    """

    def __init__(self, channels: int, norm: str) -> None:
        super().__init__()
        self.conv1 = ConvNorm(channels, channels, 3, 1, norm)
        self.conv2: ConvNorm | None = ConvNorm(channels, channels, 1, 1, norm)

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, C, H, W) to the same shape."""
        return F.silu(self.conv1(x) if self.conv2 is None else self.conv1(x) + self.conv2(x))

    def fold_constants(self) -> None:
        """Make one convolution of two whose norms are folded (section 3.3 of the paper)."""
        first, second = self.conv1, self.conv2
        if second is not None and first.bias is not None and second.bias is not None:
            first.weight += F.pad(second.weight, (1, 1, 1, 1))
            first.bias += second.bias
            self.conv2 = None


class FusionBlock(nn.Module):
    """Merges two levels: two 1x1 branches, one of them deep, added up (RT-DETR, figure 4).

    Args:
        channels: C.
        hidden_channels: of the branches.
        num_blocks: `RepVGGBlock`s of the deep branch.
        norm: see `make_norm`.
    """

    def __init__(self, channels: int, hidden_channels: int, num_blocks: int, norm: str) -> None:
        super().__init__()
        self.conv1 = ConvNorm(2 * channels, hidden_channels, 1, 1, norm)
        self.conv2 = ConvNorm(2 * channels, hidden_channels, 1, 1, norm)
        self.blocks = nn.Sequential(
            *(RepVGGBlock(hidden_channels, norm) for _ in range(num_blocks))
        )
        is_wide = hidden_channels == channels
        self.conv3 = None if is_wide else ConvNorm(hidden_channels, channels, 1, 1, norm)

    def forward(self, first: Tensor, second: Tensor) -> Tensor:
        """Merge two maps (B, C, H, W) into one."""
        both = torch.cat([first, second], dim=1)
        x = self.blocks(F.silu(self.conv1(both))) + F.silu(self.conv2(both))
        return x if self.conv3 is None else F.silu(self.conv3(x))


class HybridEncoder(nn.Module):
    """Tokens of the coarsest level attend to each other; then levels are fused (RT-DETR, 4.2).

    Fusion goes from coarse to fine and back. Levels keep their sizes.

    Args:
        layer: see `DenseEncoderLayer`; repeated.
        num_layers: how many times.
        position_embedding: (B, H, W) padding, dtype -> (B, H, W, C).
        embed_dim: C.
        num_levels: L.
        expansion: width of the fusion blocks' branches, as a multiple of C.
        num_blocks: depth of their deep branch.
        norm: of all convolutions, see `make_norm`.
    """

    def __init__(
        self,
        layer: nn.Module,
        num_layers: int,
        position_embedding: nn.Module,
        embed_dim: int,
        num_levels: int,
        expansion: float = 1.0,
        num_blocks: int = 3,
        norm: str = "BN",
    ) -> None:
        super().__init__()
        hidden = round(embed_dim * expansion)

        def convs(times: int, kernel_size: int, stride: int) -> nn.ModuleList:
            return nn.ModuleList(
                ConvNorm(embed_dim, embed_dim, kernel_size, stride, norm) for _ in range(times)
            )

        def fusions() -> nn.ModuleList:
            return nn.ModuleList(
                FusionBlock(embed_dim, hidden, num_blocks, norm) for _ in range(num_levels - 1)
            )

        self.layers = repeat(layer, num_layers)
        self.position_embedding = position_embedding
        self.lateral_convs = convs(num_levels - 1, 1, 1)
        self.top_down = fusions()
        self.downsample_convs = convs(num_levels - 1, 3, 2)
        self.bottom_up = fusions()
        self.output_convs = convs(num_levels, 1, 1)

    def forward(self, pyramid: Pyramid) -> Tensor:
        """Turn the pyramid's tokens into memory (B, S, C)."""
        *fine, coarsest = pyramid.maps(pyramid.tokens)
        levels = self._fuse([*fine, self._attend(coarsest, pyramid)])
        outputs = [conv(x) for conv, x in zip(self.output_convs, levels, strict=True)]
        return torch.cat([flatten_map(x) for x in outputs], dim=1)

    def _attend(self, level: Tensor, pyramid: Pyramid) -> Tensor:
        """Attention-based intra-scale feature interaction of the coarsest level (B, C, H, W)."""
        shape = pyramid.shapes[-1]
        tokens, padding = flatten_map(level), None
        mask = torch.zeros(1, *shape, dtype=torch.bool, device=level.device)
        if pyramid.padding is not None:
            padding = pyramid.padding[:, -tokens.shape[1] :]
            mask = padding.unflatten(1, shape)
        position = self.position_embedding(mask, pyramid.centers.dtype).flatten(1, 2)
        for layer in self.layers:
            tokens = layer(tokens, position, padding)
        return tokens.transpose(1, 2).unflatten(2, shape)

    def _fuse(self, levels: list[Tensor]) -> list[Tensor]:
        """Cross-scale feature fusion of L maps (B, C, H_l, W_l), finest first."""
        *rest, top = levels
        coarse = []  # what each level keeps for the way back, coarsest first
        for finer, lateral, fusion in zip(
            reversed(rest), self.lateral_convs, self.top_down, strict=True
        ):
            coarse.append(F.silu(lateral(top)))
            top = fusion(F.interpolate(coarse[-1], size=finer.shape[-2:]), finer)
        outputs = [top]
        for kept, downsample, fusion in zip(
            reversed(coarse), self.downsample_convs, self.bottom_up, strict=True
        ):
            outputs.append(fusion(F.silu(downsample(outputs[-1])), kept))
        return outputs
