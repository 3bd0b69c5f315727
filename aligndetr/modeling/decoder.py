"""The transformer decoder: queries look at the memory and refine their boxes layer by layer."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from aligndetr.layers.mlp import MLP
from aligndetr.layers.position_embedding import sine_embedding
from aligndetr.layers.repeat import repeat
from aligndetr.modeling.pyramid import Pyramid
from aligndetr.modeling.queries import Queries
from aligndetr.modeling.refinement import Refinement, RefinementState
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
    """A stack of decoder layers, each with a prediction.

    Args:
        layer: the layer that is repeated.
        num_layers: I.
        refinement: how predictions follow from states and anchors, see `refinement.py`.
        class_head, box_head: heads, one of each a layer.
        norm: of the states that are predicted from.
        position_mlp: (B, Q, 4) anchors -> (B, Q, C) query position; None where the query source
            fixes the position for all layers.
        heads: makes the heads of all layers from one: `repeat`, or `share`.
    """

    def __init__(
        self,
        layer: nn.Module,
        num_layers: int,
        refinement: Refinement,
        class_head: nn.Module,
        box_head: nn.Module,
        norm: nn.Module,
        position_mlp: nn.Module | None = None,
        heads: Callable[[nn.Module, int], nn.ModuleList] = repeat,
    ) -> None:
        super().__init__()
        self.layers = repeat(layer, num_layers)
        self.refinement = refinement
        self.class_heads = heads(class_head, num_layers)
        self.box_heads = heads(box_head, num_layers)
        self.norm = norm
        self.position_mlp = position_mlp

    def forward(
        self, queries: Queries, memory: Tensor, pyramid: Pyramid, blocked: Tensor | None = None
    ) -> Predictions:
        """Decode all layers.

        Args:
            queries: content (B, Q, C), anchors (B, Q, 2|4) and perhaps positions (B, Q, C).
            memory: (B, S, C).
            pyramid: geometry of the memory.
            blocked: (Q, Q) bool self-attention mask, True = must not see.

        Returns:
            Predictions of I layers.
        """
        x, position = queries.content, queries.position
        state = RefinementState.start(queries.anchors.sigmoid())
        logits, boxes = [], []
        for layer, class_head, box_head in zip(
            self.layers, self.class_heads, self.box_heads, strict=True
        ):
            reference = pyramid.reference(state.anchors)
            if self.position_mlp is not None:
                position = self.position_mlp(reference[:, :, 0])
            x = layer(x, position, reference, memory, pyramid, blocked)
            normed = self.norm(x)
            logits.append(class_head(normed))
            state = self.refinement(box_head, x, normed, state)
            boxes.append(state.boxes)
        return Predictions(torch.stack(logits), torch.stack(boxes))
