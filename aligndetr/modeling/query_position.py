"""Query positions that depend on what the queries have seen so far."""

from __future__ import annotations

from torch import Tensor

from aligndetr.layers.conditional_attention import ModulatedPosition
from aligndetr.layers.mlp import MLP
from aligndetr.modeling.decoder import AnchorPosition


class ScaledAnchorPosition(AnchorPosition):
    """Position scaled by content from the second layer on (DAB-Deformable-DETR).

    In the first layer content says nothing about the image.

    Args:
        embed_dim: C.
        temperature: of the sines.
    """

    def __init__(self, embed_dim: int, temperature: float = 10000.0) -> None:
        super().__init__(embed_dim, temperature)
        self.scale = MLP(embed_dim, embed_dim, embed_dim, num_layers=2)

    def forward(self, anchors: Tensor, x: Tensor, layer: int) -> Tensor:
        """See `AnchorPosition.forward`."""
        position = super().forward(anchors)
        return position if layer == 0 else position * self.scale(x)


class ModulatedAnchorPosition(AnchorPosition):
    """Position whose sines are scaled by content and by size (DAB-DETR, eq. 5 to 7).

    Attention to a place falls off with the distance along x relative to the width, and along y
    relative to the height: the sines of x are multiplied by w_ref / w, those of y by h_ref / h,
    where content tells the reference size (w_ref, h_ref).

    Args:
        embed_dim: C.
        temperature: of the sines.
    """

    def __init__(self, embed_dim: int, temperature: float = 10000.0) -> None:
        super().__init__(embed_dim, temperature)
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
