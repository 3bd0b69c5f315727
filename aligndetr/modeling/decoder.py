"""The transformer decoder: queries look at the memory and refine their boxes layer by layer."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from aligndetr.layers.inverse_sigmoid import inverse_sigmoid
from aligndetr.layers.mlp import MLP
from aligndetr.layers.position_embedding import sine_embedding
from aligndetr.layers.repeat import repeat
from aligndetr.modeling.pyramid import Pyramid
from aligndetr.structures import Predictions


class DecoderLayer(nn.Module):
    """Self-attention, deformable cross-attention, feed-forward; residual and LayerNorm after each.

    Args:
        self_attention: see `SelfAttention`.
        cross_attention: see `MultiScaleDeformableAttention`.
        ffn: see `FeedForward`.
        embed_dim: C.
        dropout: of both attention outputs.
    """

    def __init__(
        self,
        self_attention: nn.Module,
        cross_attention: nn.Module,
        ffn: nn.Module,
        embed_dim: int,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.self_attention = self_attention
        self.norm1 = nn.LayerNorm(embed_dim)
        self.cross_attention = cross_attention
        self.norm2 = nn.LayerNorm(embed_dim)
        self.ffn = ffn
        self.norm3 = nn.LayerNorm(embed_dim)
        self.dropout = dropout

    def forward(
        self,
        x: Tensor,
        position: Tensor,
        reference: Tensor,
        memory: Tensor,
        pyramid: Pyramid,
        blocked: Tensor | None = None,
    ) -> Tensor:
        """One layer.

        Args:
            x: (B, Q, C) query content.
            position: (B, Q, C) query position.
            reference: (B, Q, L, 4) boxes around which to sample, normalised to the padded levels.
            memory: (B, S, C).
            pyramid: geometry of the memory.
            blocked: (Q, Q) bool, True where the row's query must not see the column's.
        """
        x = self.norm1(x + self._drop(self.self_attention(x, position, blocked)))
        attended = self.cross_attention(
            x, reference, memory, pyramid.shapes, pyramid.padding, query_pos=position
        )
        x = self.norm2(x + self._drop(attended))
        return self.norm3(x + self.ffn(x))

    def _drop(self, x: Tensor) -> Tensor:
        return F.dropout(x, self.dropout, self.training)


class AnchorPosition(MLP):
    """Query position: an MLP of the anchor's sine embedding (DAB-DETR, eq. 4).

    Args:
        embed_dim: C; each coordinate gets C / 2 sine features.
        temperature: of the sines.
    """

    def __init__(self, embed_dim: int, temperature: float = 10000.0) -> None:
        super().__init__(2 * embed_dim, embed_dim, embed_dim, num_layers=2)
        self.num_features = embed_dim // 2
        self.temperature = temperature

    def forward(self, anchors: Tensor) -> Tensor:
        """(B, Q, 4) cxcywh -> (B, Q, C); features are ordered y, x, w, h, as published."""
        swapped = torch.cat([anchors[..., :2].flip(-1), anchors[..., 2:]], dim=-1)
        return super().forward(sine_embedding(swapped, self.num_features, self.temperature))


class Decoder(nn.Module):
    """Iterative box refinement with look forward twice (DINO, section 3.4).

    Layer i moves the anchors for layer i+1 from its raw state, without gradient. It predicts from
    its normalised state and the anchors that layer i-1 had moved, with gradient, so that a box is
    supervised by its own layer and by the next. Both use the layer's one box head.

    Args:
        layer: the layer that is repeated.
        num_layers: I.
        position_mlp: (B, Q, 4) anchors -> (B, Q, C) query position.
        class_head, box_head: repeated, one of each a layer.
        embed_dim: C.
        inverse_sigmoid_eps: see `inverse_sigmoid`.
    """

    def __init__(
        self,
        layer: nn.Module,
        num_layers: int,
        position_mlp: nn.Module,
        class_head: nn.Module,
        box_head: nn.Module,
        embed_dim: int,
        inverse_sigmoid_eps: float = 1e-3,
    ) -> None:
        super().__init__()
        self.layers = repeat(layer, num_layers)
        self.position_mlp = position_mlp
        self.norm = nn.LayerNorm(embed_dim)
        self.class_heads = repeat(class_head, num_layers)
        self.box_heads = repeat(box_head, num_layers)
        self.inverse_sigmoid_eps = inverse_sigmoid_eps

    def forward(
        self,
        content: Tensor,
        anchors: Tensor,
        memory: Tensor,
        pyramid: Pyramid,
        blocked: Tensor | None = None,
    ) -> Predictions:
        """Decode all layers.

        Args:
            content: (B, Q, C).
            anchors: (B, Q, 4) logits of cxcywh boxes.
            memory: (B, S, C).
            pyramid: geometry of the memory.
            blocked: (Q, Q) bool self-attention mask, True = must not see.

        Returns:
            Predictions of I layers.
        """
        x, anchors = content, anchors.sigmoid()
        base = anchors
        logits, boxes = [], []
        for layer, class_head, box_head in zip(
            self.layers, self.class_heads, self.box_heads, strict=True
        ):
            reference = pyramid.reference(anchors)
            position = self.position_mlp(reference[:, :, 0])
            x = layer(x, position, reference, memory, pyramid, blocked)
            state = self.norm(x)
            logits.append(class_head(state))
            boxes.append(self._move(base, box_head(state)))
            base = self._move(anchors, box_head(x))
            anchors = base.detach()
        return Predictions(torch.stack(logits), torch.stack(boxes))

    def _move(self, boxes: Tensor, delta: Tensor) -> Tensor:
        return (delta + inverse_sigmoid(boxes, self.inverse_sigmoid_eps)).sigmoid()
