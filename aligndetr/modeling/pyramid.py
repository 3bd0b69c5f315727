"""Feature maps, of several levels or of one, as one sequence of tokens."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from aligndetr.layers.shape_cache import ShapeCache
from aligndetr.modeling.geometry import Geometry


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
        pairs = points_or_boxes.unflatten(-1, (-1, 2)).unsqueeze(2)  # of x and y, width and height
        return (pairs * self.valid_ratios[:, None, :, None]).flatten(-2)

    def maps(self, tokens: Tensor) -> list[Tensor]:
        """Tokens (B, S, F) as L maps (B, F, H_l, W_l)."""
        levels = tokens.split([height * width for height, width in self.shapes], dim=1)
        return [
            level.transpose(1, 2).unflatten(2, shape)
            for level, shape in zip(levels, self.shapes, strict=True)
        ]


class PyramidBuilder(nn.Module):
    """Flattens feature maps and adds what the transformer needs to know of their geometry.

    Without padding, geometry and position embedding depend on shapes alone: they are remembered.

    Args:
        position_embedding: (B, H, W) padding, dtype -> (B, H, W, C).
        num_levels: L.
        embed_dim: C.
        strides: of the levels in pixels. With them, features and boxes lie where the image has
            them. Without, as published (Deformable-DETR), an image counts as whole cells: one of
            240 pixels as 8 cells of 32, that is 256, which matters the more the smaller it is.

    Raises:
        ValueError: there are more or fewer strides than levels.
    """

    def __init__(
        self,
        position_embedding: nn.Module,
        num_levels: int,
        embed_dim: int,
        strides: Sequence[int] | None = None,
    ) -> None:
        super().__init__()
        if strides is not None and len(strides) != num_levels:
            raise ValueError(f"{len(strides)} strides for {num_levels} levels")
        self.position_embedding, self.strides = position_embedding, strides
        self.level_embedding = nn.Parameter(torch.empty(num_levels, embed_dim))
        nn.init.normal_(self.level_embedding)
        self._geometries, self._positions = ShapeCache(), ShapeCache()

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
        dtype, shapes = self.level_embedding.dtype, _shapes(levels)
        if is_padded:
            geometry = Geometry.of(padding, shapes, dtype, self.strides)
            embedded = self._embed(geometry)
        else:
            key = (*padding.shape[1:], *shapes, dtype, padding.device)
            geometry = self._geometries(
                key,
                lambda: Geometry.of(torch.zeros_like(padding[:1]), shapes, dtype, self.strides),
            )
            if self._is_learned:
                embedded = self._embed(geometry)
            else:
                embedded = self._positions(key, lambda: self._embed(geometry))
        position = [
            (embedding + level).flatten(1, 2)
            for embedding, level in zip(embedded, self.level_embedding, strict=True)
        ]
        position = torch.cat(position, dim=1).expand(levels[0].shape[0], -1, -1)
        return _flatten(levels, geometry, is_padded, position)

    @property
    def _is_learned(self) -> bool:
        return any(name != "level_embedding" for name, _ in self.named_parameters())

    def _embed(self, geometry: Geometry) -> list[Tensor]:
        """L position embeddings (1|B, H_l, W_l, C)."""
        dtype = self.level_embedding.dtype
        return [self.position_embedding(mask, dtype) for mask in geometry.masks]


class PlainPyramidBuilder(nn.Module):
    """Flattens feature maps for an encoder that embeds positions itself, where it needs them."""

    def forward(self, levels: Sequence[Tensor], padding: Tensor, is_padded: bool) -> Pyramid:
        """See `PyramidBuilder.forward`; the result has no position."""
        dtype = torch.promote_types(levels[0].dtype, torch.float32)
        # Without padding all images are alike.
        geometry = Geometry.of(padding if is_padded else padding[:1], _shapes(levels), dtype)
        return _flatten(levels, geometry, is_padded)


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
            position=position.expand(pyramid.tokens.shape[0], -1, -1),
            valid_ratios=torch.ones_like(pyramid.valid_ratios),
        )


def flatten_map(level: Tensor) -> Tensor:
    """(B, C, H, W) -> (B, H*W, C)."""
    # Not flatten(2).transpose(1, 2): for B = 1 its gradient has a stride with which the batch norm
    # of PyTorch 2.13 computes wrong gradients on the CPU, without a word.
    return level.permute(0, 2, 3, 1).flatten(1, 2)


def _shapes(levels: Sequence[Tensor]) -> list[tuple[int, int]]:
    return [(_side(level.shape[-2]), _side(level.shape[-1])) for level in levels]


def _side(size: int) -> int:
    # torch.jit counts in tensors; int would freeze the sizes of a program that torch.export makes
    return size if isinstance(size, torch.SymInt) else int(size)


def _flatten(
    levels: Sequence[Tensor], geometry: Geometry, is_padded: bool, position: Tensor | None = None
) -> Pyramid:
    batch, masks = levels[0].shape[0], geometry.masks
    return Pyramid(
        tokens=torch.cat([flatten_map(level) for level in levels], dim=1),
        position=position,
        padding=torch.cat([mask.flatten(1) for mask in masks], dim=1) if is_padded else None,
        shapes=_shapes(levels),
        centers=geometry.centers.expand(batch, -1, -1),
        valid_ratios=geometry.valid_ratios.expand(batch, -1, -1),
    )
