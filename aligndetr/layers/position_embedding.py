"""Position embeddings of feature maps and of points or boxes."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn


def sine_embedding(x: Tensor, num_features: int, temperature: float = 10000.0) -> Tensor:
    """Sines and cosines of each coordinate at geometrically spaced wavelengths.

    Attention Is All You Need, section 3.5, with coordinates in [0, 1] scaled by 2 pi.

    Args:
        x: (..., n) coordinates.
        num_features: features per coordinate, even.
        temperature: ratio of the longest to the shortest wavelength.

    Returns:
        (..., n * num_features), coordinate by coordinate, sine and cosine interleaved.
    """
    return _sines(x * (2 * math.pi), num_features, temperature)


def _sines(angle: Tensor, num_features: int, temperature: float) -> Tensor:
    pairs = torch.arange(num_features // 2, dtype=angle.dtype, device=angle.device)
    angle = angle.unsqueeze(-1) / temperature ** (2 * pairs / num_features)
    return torch.stack([angle.sin(), angle.cos()], dim=-1).flatten(-3)


class SinePositionEmbedding(nn.Module):
    """Fixed embedding of the row and column of every pixel that is not padding.

    DETR, appendix A.4. `offset` = -0.5 puts positions on pixel centres (Deformable-DETR).

    Args:
        num_features: features for the row, and as many for the column.
        temperature: see `sine_embedding`.
        normalize: divide positions by the unpadded height and width and scale by 2 pi.
        offset: added to the 1-based positions before normalisation.
        eps: added to the height and width.
    """

    def __init__(
        self,
        num_features: int = 128,
        temperature: float = 10000.0,
        normalize: bool = True,
        offset: float = 0.0,
        eps: float = 1e-6,
    ) -> None:
        super().__init__()
        self.num_features = num_features
        self.temperature = temperature
        self.normalize = normalize
        self.offset = offset
        self.eps = eps

    def forward(self, padding: Tensor, dtype: torch.dtype = torch.float32) -> Tensor:
        """Embed (B, H, W) bool padding (True = padding) into (B, H, W, 2F): row, then column."""
        inside = ~padding
        # Counted in integers: of floats PyTorch has no cumsum of a fixed order on a GPU.
        row, column = (inside.cumsum(axis, dtype=torch.int32).to(dtype) for axis in (1, 2))
        if self.normalize:
            row = (row + self.offset) / (row[:, -1:, :] + self.eps) * (2 * math.pi)
            column = (column + self.offset) / (column[:, :, -1:] + self.eps) * (2 * math.pi)
        return _sines(torch.stack([row, column], dim=-1), self.num_features, self.temperature)


class PixelSineEmbedding(nn.Module):
    """Fixed embedding of row and column counted in pixels from 0, whatever the size (RT-DETR).

    Unlike in `SinePositionEmbedding`, all sines of a coordinate come before its cosines.

    Args:
        num_features: features for the row, and as many for the column; even.
        temperature: see `sine_embedding`.
    """

    def __init__(self, num_features: int = 128, temperature: float = 10000.0) -> None:
        super().__init__()
        self.num_features = num_features
        self.temperature = temperature

    def forward(self, padding: Tensor, dtype: torch.dtype = torch.float32) -> Tensor:
        """Embed the pixels of (B, H, W) padding into (B, H, W, 2F): row, then column."""
        half = self.num_features // 2
        exponents = torch.arange(half, dtype=dtype, device=padding.device) / half
        blocks = []
        for axis in (1, 2):
            index = torch.arange(padding.shape[axis], dtype=dtype, device=padding.device)
            angle = index.unsqueeze(-1) / self.temperature**exponents
            shape = (*padding.shape, half)
            angle = (angle.unsqueeze(1) if axis == 1 else angle).expand(shape)
            blocks += [angle.sin(), angle.cos()]
        return torch.cat(blocks, dim=-1)


class LearnedPositionEmbedding(nn.Module):
    """One learned vector a row and one a column, column first (DETR's alternative).

    Args:
        num_features: features for the row, and as many for the column.
        num_rows, num_columns: the largest feature map.
    """

    def __init__(self, num_features: int = 128, num_rows: int = 50, num_columns: int = 50) -> None:
        super().__init__()
        self.row_embed = nn.Embedding(num_rows, num_features)
        self.col_embed = nn.Embedding(num_columns, num_features)
        nn.init.uniform_(self.row_embed.weight)
        nn.init.uniform_(self.col_embed.weight)

    def forward(self, padding: Tensor, dtype: torch.dtype = torch.float32) -> Tensor:
        """Embed (B, H, W) bool padding into (B, H, W, 2F): column, then row.

        Raises:
            ValueError: the map is larger than the tables.
        """
        batch, height, width = padding.shape
        rows, columns = self.row_embed.weight, self.col_embed.weight
        if height > len(rows) or width > len(columns):
            raise ValueError(
                f"a {height}x{width} feature map needs more than the {len(rows)} rows and "
                f"{len(columns)} columns of this LearnedPositionEmbedding; raise num_rows/columns"
            )
        grid = (height, width, -1)
        both = [columns[:width].expand(grid), rows[:height, None].expand(grid)]
        return torch.cat(both, dim=-1).to(dtype).expand(batch, -1, -1, -1)
