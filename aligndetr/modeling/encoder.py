"""The transformer encoder over all tokens of the pyramid."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F

from aligndetr.layers import repeat
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
