"""The transformer encoder: tokens look at each other, deformably or densely."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F

from aligndetr.layers import repeat
from aligndetr.layers.attention import unseen
from aligndetr.layers.mlp import start_xavier
from aligndetr.modeling.pyramid import Pyramid


class EncoderLayer(nn.Module):
    """Deformable self-attention and a feed-forward block, each with residual and LayerNorm after.

    Deformable-DETR, section 4.1.

    Args:
        self_attention: see `MultiScaleDeformableAttention`.
        ffn: see `FeedForward`.
        embed_dim: C.
        dropout: of the attention output.
    """

    def __init__(
        self, self_attention: nn.Module, ffn: nn.Module, embed_dim: int, dropout: float = 0.0
    ) -> None:
        super().__init__()
        self.self_attention = self_attention
        self.norm1 = nn.LayerNorm(embed_dim)
        self.ffn = ffn
        self.norm2 = nn.LayerNorm(embed_dim)
        self.dropout = dropout

    def forward(self, x: Tensor, reference: Tensor, pyramid: Pyramid) -> Tensor:
        """Refine tokens (B, S, C) that sample around `reference` (B, S, L, 2)."""
        attended = self.self_attention(
            x, reference, x, pyramid.shapes, pyramid.padding, query_pos=pyramid.position
        )
        return self.add(x, attended)

    def add(self, x: Tensor, attended: Tensor) -> Tensor:
        """What attention found, then what the feed-forward block makes of it: (B, S, C) each."""
        x = self.norm1(x + F.dropout(attended, self.dropout, self.training))
        return self.norm2(x + self.ffn(x))


class Encoder(nn.Module):
    """A stack of encoder layers.

    Args:
        layer: the layer that is repeated.
        num_layers: how many times.
    """

    def __init__(self, layer: nn.Module, num_layers: int) -> None:
        super().__init__()
        self.layers = repeat(layer, num_layers)

    def forward(self, pyramid: Pyramid) -> Tensor:
        """Turn the pyramid's tokens into memory (B, S, C)."""
        reference = pyramid.reference(pyramid.centers)
        memory = pyramid.tokens
        for layer in self.layers:
            memory = layer(memory, reference, pyramid)
        return memory


class DenseEncoderLayer(EncoderLayer):
    """An encoder layer whose tokens all see each other; `self_attention`: see `SelfAttention`."""

    def forward(self, x: Tensor, position: Tensor, padding: Tensor | None) -> Tensor:
        """Refine tokens (B, S, C) at `position` (B, S, C); those in `padding` (B, S) are unseen."""
        return self.add(x, self.self_attention(x, position, unseen(padding)))


class DenseEncoder(nn.Module):
    """A stack of dense encoder layers.

    Args:
        layer: the layer that is repeated.
        num_layers: how many times.
        position_scale: (B, S, C) content -> (B, S, C) factors of the position embedding, the same
            module for all layers (DAB-DETR), whose weights are drawn anew, see `start_xavier`; None
            leaves the position as it is (DETR).
    """

    def __init__(
        self, layer: nn.Module, num_layers: int, position_scale: nn.Module | None = None
    ) -> None:
        super().__init__()
        self.layers = repeat(layer, num_layers)
        self.position_scale = position_scale
        if position_scale is not None:
            start_xavier(position_scale)

    def forward(self, pyramid: Pyramid) -> Tensor:
        """Turn the tokens into memory (B, S, C)."""
        memory, position = pyramid.tokens, pyramid.position
        for layer in self.layers:
            if self.position_scale is not None:
                position = pyramid.position * self.position_scale(memory)
            memory = layer(memory, position, pyramid.padding)
        return memory
