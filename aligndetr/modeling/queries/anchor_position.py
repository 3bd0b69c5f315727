"""The position of a query, where it comes from the query's anchor."""

from __future__ import annotations

import torch
from torch import Tensor

from aligndetr.layers.conditional_attention import ModulatedPosition
from aligndetr.layers.mlp import MLP, start_xavier
from aligndetr.layers.position_embedding import sine_embedding


class AnchorPosition(MLP):
    """Query position: an MLP of the anchor's sine embedding (DAB-DETR, eq. 4).

    Its weights, and those of the kinds below, start Xavier-uniform.

    Args:
        embed_dim: C; each coordinate gets C / 2 sine features.
        temperature: of the sines.
    """

    def __init__(self, embed_dim: int, temperature: float = 10000.0) -> None:
        super().__init__(2 * embed_dim, embed_dim, embed_dim, num_layers=2)
        self.num_features = embed_dim // 2
        self.temperature = temperature
        self.add_parts(embed_dim)
        start_xavier(self)

    def add_parts(self, embed_dim: int) -> None:
        """What a kind of position learns besides: made last."""

    def forward(self, anchors: Tensor, x: Tensor | None = None, layer: int = 0) -> Tensor:
        """The position that a layer gets.

        Args:
            anchors: (B, Q, 4) cxcywh.
            x: (B, Q, C) query content, for positions that depend on it; this one does not.
            layer: which one, likewise.

        Returns:
            (B, Q, C).
        """
        return super().forward(self.sines(anchors))

    def sines(self, anchors: Tensor) -> Tensor:
        """(B, Q, 4) cxcywh -> (B, Q, 2 C) sines, ordered y, x, w, h as published."""
        swapped = torch.cat([anchors[..., :2].flip(-1), anchors[..., 2:]], dim=-1)
        return sine_embedding(swapped, self.num_features, self.temperature)


class BoxPosition(MLP):
    """Query position: an MLP of the anchor's four numbers (RT-DETR).

    Args:
        embed_dim: C.
    """

    def __init__(self, embed_dim: int) -> None:
        super().__init__(4, 2 * embed_dim, embed_dim, num_layers=2)
        start_xavier(self)

    def forward(self, anchors: Tensor, x: Tensor | None = None, layer: int = 0) -> Tensor:
        """See `AnchorPosition.forward`."""
        return super().forward(anchors)


class ScaledAnchorPosition(AnchorPosition):
    """Position scaled by content from the second layer on (DAB-Deformable-DETR).

    In the first layer content says nothing about the image. Arguments are those of
    `AnchorPosition`.
    """

    def add_parts(self, embed_dim: int) -> None:
        """Factors from content."""
        self.scale = MLP(embed_dim, embed_dim, embed_dim, num_layers=2)

    def forward(self, anchors: Tensor, x: Tensor, layer: int) -> Tensor:
        """See `AnchorPosition.forward`."""
        position = super().forward(anchors)
        return position if layer == 0 else position * self.scale(x)


class ModulatedAnchorPosition(AnchorPosition):
    """Position whose sines are scaled by content and by size (DAB-DETR, eq. 5 to 7).

    Attention to a place falls off with the distance along x relative to the width, and along y
    relative to the height: the sines of x are multiplied by w_ref / w, those of y by h_ref / h,
    where content tells the reference size (w_ref, h_ref). Arguments are those of `AnchorPosition`.
    """

    def add_parts(self, embed_dim: int) -> None:
        """Factors and reference size from content."""
        self.scale = MLP(embed_dim, embed_dim, embed_dim, num_layers=2)
        self.size = MLP(embed_dim, embed_dim, 2, num_layers=2)

    def forward(self, anchors: Tensor, x: Tensor, layer: int) -> ModulatedPosition:
        """See `AnchorPosition.forward`."""
        embedding = super().forward(anchors)
        sine = self.sines(anchors)[..., : 2 * self.num_features]
        if layer > 0:
            sine = sine * self.scale(x)
        ratio = self.size(x).sigmoid() / anchors[..., 2:]
        halves = sine.unflatten(-1, (2, -1)) * ratio.flip(-1).unsqueeze(-1)  # y comes before x
        return ModulatedPosition(embedding, halves.flatten(-2))
