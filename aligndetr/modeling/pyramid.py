"""Feature maps of several levels as one sequence of tokens."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn
from torch.nn import functional as F


@dataclass
class Pyramid:
    """L feature maps of a batch, flattened level by level and row by row into S tokens.

    Attributes:
        tokens: (B, S, C).
        position: (B, S, C) position embedding plus the embedding of the level; None without one.
        padding: (B, S) bool, True where a token is padding; None when nothing is padded.
        shapes: L times (H_l, W_l).
        centers: (B, S, 2) x, y of token centres, normalised to the unpadded image.
        valid_ratios: (B, L, 2) unpadded share of the width and of the height.
    """

    tokens: Tensor
    position: Tensor | None
    padding: Tensor | None
    shapes: list[tuple[int, int]]
    centers: Tensor
    valid_ratios: Tensor

    def reference(self, points_or_boxes: Tensor) -> Tensor:
        """Where (B, Q, 2|4) points or boxes of the unpadded image lie in each padded level.

        Returns:
            (B, Q, L, 2|4), normalised to the padded map (Deformable-DETR, appendix A.1).
        """
        repeats = points_or_boxes.shape[-1] // 2
        return points_or_boxes.unsqueeze(2) * self.valid_ratios.repeat(1, 1, repeats).unsqueeze(1)

    def maps(self, tokens: Tensor) -> list[Tensor]:
        """Tokens (B, S, F) as L maps (B, F, H_l, W_l)."""
        levels = tokens.split([height * width for height, width in self.shapes], dim=1)
        return [
            level.transpose(1, 2).unflatten(2, shape)
            for level, shape in zip(levels, self.shapes, strict=True)
        ]


class PyramidBuilder(nn.Module):
    """Flattens feature maps and adds what the transformer needs to know of their geometry.

    Args:
        position_embedding: (B, H, W) padding, dtype -> (B, H, W, C).
        num_levels: L.
        embed_dim: C.
    """

    def __init__(self, position_embedding: nn.Module, num_levels: int, embed_dim: int) -> None:
        super().__init__()
        self.position_embedding = position_embedding
        self.level_embedding = nn.Parameter(torch.empty(num_levels, embed_dim))
        nn.init.normal_(self.level_embedding)

    def forward(self, levels: Sequence[Tensor], padding: Tensor, is_padded: bool) -> Pyramid:
        """Flatten L maps (B, C, H_l, W_l).

        Args:
            levels: the maps, finest first.
            padding: (B, H, W) bool of the images, True = padding.
            is_padded: whether any of it is True; known on the host, where asking costs nothing.

        Raises:
            ValueError: the number of maps is not `num_levels`.
        """
        if len(levels) != len(self.level_embedding):
            raise ValueError(
                f"{len(levels)} feature maps for {len(self.level_embedding)} level embeddings; "
                "num_levels must equal the neck's num_outs"
            )
        dtype = self.level_embedding.dtype
        pyramid, masks = _flatten(levels, padding, is_padded, dtype)
        position = [
            (self.position_embedding(mask, dtype) + embedding).flatten(1, 2)
            for mask, embedding in zip(masks, self.level_embedding, strict=True)
        ]
        batch = len(pyramid.tokens)
        return replace(pyramid, position=torch.cat(position, dim=1).expand(batch, -1, -1))


class PlainPyramidBuilder(nn.Module):
    """Flattens feature maps for an encoder that embeds positions itself, where it needs them."""

    def forward(self, levels: Sequence[Tensor], padding: Tensor, is_padded: bool) -> Pyramid:
        """See `PyramidBuilder.forward`; the result has no position."""
        dtype = torch.promote_types(levels[0].dtype, torch.float32)
        return _flatten(levels, padding, is_padded, dtype)[0]


def flatten_map(level: Tensor) -> Tensor:
    """(B, C, H, W) -> (B, H*W, C)."""
    # Not flatten(2).transpose(1, 2): for B = 1 its gradient has a stride with which the batch norm
    # of PyTorch 2.13 computes wrong gradients on the CPU, without a word.
    return level.permute(0, 2, 3, 1).flatten(1, 2)


def _flatten(
    levels: Sequence[Tensor], padding: Tensor, is_padded: bool, dtype: torch.dtype
) -> tuple[Pyramid, list[Tensor]]:
    """A pyramid without position, and the padding (1|B, H_l, W_l) of its levels."""
    geometry = padding if is_padded else padding[:1]  # equal for all images: computed once
    masks = [_resize(geometry, level.shape[-2:], dtype) for level in levels]
    batch = levels[0].shape[0]
    ratios = [_valid_size(mask, dtype) / _size(mask, dtype) for mask in masks]
    pyramid = Pyramid(
        tokens=torch.cat([flatten_map(level) for level in levels], dim=1),
        position=None,
        padding=torch.cat([mask.flatten(1) for mask in masks], dim=1) if is_padded else None,
        shapes=[(int(level.shape[-2]), int(level.shape[-1])) for level in levels],
        centers=torch.cat([_centers(m, dtype) for m in masks], dim=1).expand(batch, -1, -1),
        valid_ratios=torch.stack(ratios, 1).expand(batch, -1, -1),
    )
    return pyramid, masks


def _resize(padding: Tensor, size: torch.Size, dtype: torch.dtype) -> Tensor:
    """Nearest-neighbour (B, H, W) -> (B, H_l, W_l) bool."""
    return F.interpolate(padding[None].to(dtype), size=size)[0].bool()


def _size(padding: Tensor, dtype: torch.dtype) -> Tensor:
    """(2,) width and height of the map."""
    return torch.tensor(padding.shape[:0:-1], dtype=dtype, device=padding.device)


def _valid_size(padding: Tensor, dtype: torch.dtype) -> Tensor:
    """(B, 2) width and height of what is not padding."""
    inside = ~padding
    return torch.stack([inside[:, 0, :].sum(1), inside[:, :, 0].sum(1)], dim=1).to(dtype)


def _centers(padding: Tensor, dtype: torch.dtype) -> Tensor:
    """(B, H*W, 2) pixel centres divided by the unpadded width and height."""
    height, width = padding.shape[1:]
    y = torch.arange(height, dtype=dtype, device=padding.device) + 0.5
    x = torch.arange(width, dtype=dtype, device=padding.device) + 0.5
    grid = torch.stack([x.expand(height, width), y[:, None].expand(height, width)], dim=-1)
    return grid.flatten(0, 1) / _valid_size(padding, dtype).unsqueeze(1)
