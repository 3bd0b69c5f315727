"""Attention to a grid of points that the feature map itself moves (DAT).

Xia et al., Vision Transformer with Deformable Attention, 2022, with the continuous position bias of
Liu et al., Swin Transformer V2, 2022, in place of an interpolated table.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint

from aligndetr.layers.attention import check_heads, split_heads
from aligndetr.layers.mlp import MLP

# Pairs of pixel and point a group that are compared at once. Beyond, blocks of pixels are computed
# one after the other, and again for their gradients, so that memory does not grow with the pairs.
PAIRS_AT_ONCE = 2**22


class OffsetNetwork(nn.Module):
    """Where each point of a coarse grid moves, seen from the queries around it (DAT, figure 3b).

    Args:
        channels: of its input.
        stride: pixels from point to point.
        kernel_size: of the depthwise convolution; at least `stride`, by an even number.

    Raises:
        ValueError: the kernel cannot be centred on the grid.
    """

    def __init__(self, channels: int, stride: int, kernel_size: int) -> None:
        super().__init__()
        if kernel_size < stride or (kernel_size - stride) % 2:
            raise ValueError(
                f"kernel_size {kernel_size} must be stride {stride} plus an even number"
            )
        self.stride = stride
        self.depthwise = nn.Conv2d(
            channels, channels, kernel_size, stride, (kernel_size - stride) // 2, groups=channels
        )
        self.norm = nn.LayerNorm(channels)
        self.offset = nn.Linear(channels, 2, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, ceil(H / stride), ceil(W / stride), 2): x, y in (-1, 1)."""
        height, width = x.shape[-2:]
        x = F.pad(x, (0, -width % self.stride, 0, -height % self.stride))
        features = self.norm(self.depthwise(x).permute(0, 2, 3, 1))
        return self.offset(F.gelu(features)).tanh()


class ContinuousPositionBias(nn.Module):
    """A network's answer to the displacement between a pixel and a point (Swin V2, section 3.3).

    It sees the logarithm of pixels, sign(d) log(1 + |d|), so that it extends to larger maps.

    Args:
        hidden_dim: features of the two hidden layers.
        num_outputs: heads a group of points.
    """

    def __init__(self, hidden_dim: int, num_outputs: int) -> None:
        super().__init__()
        self.mlp = MLP(2, hidden_dim, num_outputs, num_layers=3)

    def forward(self, pixels: Tensor, points: Tensor) -> Tensor:
        """Compare pixels (Q, 2) with points (B, N, K, 2), both x, y in pixels.

        Returns:
            (B, N * num_outputs, Q, K).
        """
        displacement = points.unsqueeze(2) - pixels.unsqueeze(1)  # (B, N, Q, K, 2)
        displacement = displacement.sign() * displacement.abs().log1p()
        return self.mlp(displacement).permute(0, 1, 4, 2, 3).flatten(1, 2)


class DeformableAttention2D(nn.Module):
    """Every pixel attends to all points of a coarse grid, moved to where the map is interesting.

    Channels are split among N groups, each with its own offsets. Keys and values come from features
    interpolated at the points, which never leave the unpadded part of the map. A point starts in
    the middle of its `stride` x `stride` pixels.

    The cost grows with (H W)^2 / stride^2; memory does not beyond `PAIRS_AT_ONCE`.

    Args:
        embed_dim: C, divisible by `num_heads` and `num_groups`.
        num_heads: attention heads, a multiple of `num_groups`.
        num_groups: N.
        stride: pixels from point to point.
        kernel_size: of the offset network, see `OffsetNetwork`.
        offset_range: how far a point may move, along x and along y, in steps of the grid.
        bias_dim: see `ContinuousPositionBias`.

    Raises:
        ValueError: C, heads and groups do not divide each other, or the kernel does not fit.
    """

    not_exportable = "how many blocks of pixels it computes depends on the size of the image"

    def __init__(
        self,
        embed_dim: int = 256,
        num_heads: int = 8,
        num_groups: int = 4,
        stride: int = 4,
        kernel_size: int = 6,
        offset_range: float = 2.0,
        bias_dim: int = 32,
    ) -> None:
        super().__init__()
        check_heads(embed_dim, num_heads)
        if num_heads % num_groups:
            raise ValueError(f"num_heads {num_heads} is not a multiple of num_groups {num_groups}")
        self.num_heads, self.num_groups = num_heads, num_groups
        self.stride, self.offset_range = stride, offset_range
        self.query_proj = nn.Linear(embed_dim, embed_dim)
        self.key_proj = nn.Linear(embed_dim, embed_dim)
        self.value_proj = nn.Linear(embed_dim, embed_dim)
        self.output_proj = nn.Linear(embed_dim, embed_dim)
        self.offset_network = OffsetNetwork(embed_dim // num_groups, stride, kernel_size)
        self.position_bias = ContinuousPositionBias(bias_dim, num_heads // num_groups)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Xavier-uniform projections; points close to their places."""
        for linear in (self.query_proj, self.key_proj, self.value_proj, self.output_proj):
            nn.init.xavier_uniform_(linear.weight)
            nn.init.zeros_(linear.bias)
        nn.init.normal_(self.offset_network.offset.weight, std=0.01)  # 0: those before wait for it

    def forward(self, query: Tensor, value: Tensor, padding: Tensor | None = None) -> Tensor:
        """Attend from each pixel of `query` to points in `value`.

        Args:
            query: (B, C, H, W); in DAT the same as `value`.
            value: (B, C, H, W).
            padding: (B, H, W) bool, True outside of an image, whose corner is (0, 0); None when
                nothing is padded.

        Returns:
            (B, H * W, C), row by row, without the residual.
        """
        queries = self.query_proj(query.permute(0, 2, 3, 1))
        if padding is not None:
            value = value.masked_fill(padding[:, None], 0.0)
        points = self.points(queries, padding)
        sampled = _sample(value, points).to(value.dtype)
        unseen = None
        if padding is not None:  # a point is seen if the first of its pixels is
            unseen = padding[:, :: self.stride, :: self.stride].flatten(1)[:, None, None]
        heads = [
            split_heads(x, self.num_heads)
            for x in (queries.flatten(1, 2), self.key_proj(sampled), self.value_proj(sampled))
        ]
        pixels = _grid(*query.shape[-2:], points).flatten(0, 1)
        attended = self._attend(points.flatten(2, 3), pixels, *heads, unseen)
        return self.output_proj(attended.transpose(1, 2).flatten(2))

    def no_fixed_order(self, dtype: torch.dtype) -> str:
        """Why its gradients are sums without a fixed order on a GPU."""
        return "grid_sample has no other backward pass; train without deformable attention in 2D"

    def points(self, queries: Tensor, padding: Tensor | None) -> Tensor:
        """Where keys and values are, for projected queries (B, H, W, C).

        Returns:
            (B, N, ceil(H / stride), ceil(W / stride), 2): x, y in pixels, 0 the first's centre.
        """
        batch, height, width, _ = queries.shape
        end = queries.new_tensor([width, height], dtype=_wide(queries)).expand(batch, 2)
        if padding is not None:  # zeros, as around the map, and no point in them
            queries = queries.masked_fill(padding[..., None], 0.0)
            end = torch.stack([(~padding[:, 0]).sum(1), (~padding[:, :, 0]).sum(1)], 1).to(end)
        groups = queries.unflatten(-1, (self.num_groups, -1)).permute(0, 3, 4, 1, 2)
        offsets = self.offset_network(groups.flatten(0, 1)).unflatten(0, (batch, -1)).to(end)
        centres = (_grid(*offsets.shape[2:4], offsets) + 0.5) * self.stride - 0.5
        points = centres + offsets * (self.offset_range * self.stride)
        return torch.minimum(points.clamp(min=0), end[:, None, None, None] - 1)

    def _attend(
        self,
        points: Tensor,
        pixels: Tensor,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        unseen: Tensor | None,
    ) -> Tensor:
        """(B, heads, Q, E), in as many blocks of pixels as memory asks for."""
        size = max(1, PAIRS_AT_ONCE // points[..., 0].numel())
        if size >= len(pixels):
            return self._attend_at_once(points, pixels, query, key, value, unseen)
        rest = (key, value, unseen)
        attended = [
            checkpoint(self._attend_at_once, points, *block, *rest, use_reentrant=False)
            for block in zip(pixels.split(size), query.split(size, dim=2), strict=True)
        ]
        return torch.cat(attended, dim=2)

    def _attend_at_once(
        self,
        points: Tensor,
        pixels: Tensor,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        unseen: Tensor | None,
    ) -> Tensor:
        bias = self.position_bias(pixels, points).to(query.dtype)
        if unseen is not None:
            bias = bias.masked_fill(unseen, -torch.inf)
        return F.scaled_dot_product_attention(query, key, value, bias)


class PerLevelAttention(nn.Module):
    """Attention within each level of a pyramid, where `MultiScaleDeformableAttention` would look at
    all: takes its place in an `EncoderLayer`.

    Args:
        attention: see `DeformableAttention2D`; the same for all levels.
    """

    def __init__(self, attention: nn.Module) -> None:
        super().__init__()
        self.attention = attention

    def forward(
        self,
        query: Tensor,
        reference: Tensor,
        value: Tensor,
        spatial_shapes: Sequence[tuple[int, int]],
        padding: Tensor | None,
        query_pos: Tensor | None = None,
    ) -> Tensor:
        """Attend from all tokens; as `MultiScaleDeformableAttention.forward`, where Q = S.

        `reference` is not used: every pixel sees all points of its level.
        """
        if query_pos is not None:
            query = query + query_pos
        sizes = [height * width for height, width in spatial_shapes]
        paddings = [None] * len(sizes) if padding is None else padding.split(sizes, dim=1)
        levels = zip(
            spatial_shapes, query.split(sizes, 1), value.split(sizes, 1), paddings, strict=True
        )
        attended = [
            self.attention(
                _as_map(q, shape), _as_map(v, shape), None if p is None else p.unflatten(1, shape)
            )
            for shape, q, v, p in levels
        ]
        return torch.cat(attended, dim=1)


def _as_map(tokens: Tensor, shape: tuple[int, int]) -> Tensor:
    return tokens.transpose(1, 2).unflatten(2, shape)


def _wide(x: Tensor) -> torch.dtype:
    return torch.promote_types(x.dtype, torch.float32)  # halves cannot tell far pixels apart


def _grid(height: int, width: int, like: Tensor) -> Tensor:
    """(height, width, 2) of x, y = 0, 1, 2, ..."""
    x = torch.arange(width, dtype=like.dtype, device=like.device)
    y = torch.arange(height, dtype=like.dtype, device=like.device)
    return torch.stack([x.expand(height, width), y[:, None].expand(height, width)], dim=-1)


def _sample(x: Tensor, points: Tensor) -> Tensor:
    """Interpolate (B, C, H, W) at points (B, N, h, w, 2), in pixels: (B, h * w, C)."""
    batch, groups = points.shape[:2]
    size = points.new_tensor([x.shape[3], x.shape[2]])
    grid = (2 * points + 1) / size - 1
    x = x.to(points.dtype).unflatten(1, (groups, -1)).flatten(0, 1)
    sampled = F.grid_sample(x, grid.flatten(0, 1), align_corners=False)
    return sampled.unflatten(0, (batch, groups)).flatten(1, 2).flatten(2).transpose(1, 2)
