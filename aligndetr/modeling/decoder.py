"""The transformer decoder: queries look at the memory and refine their boxes layer by layer."""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from aligndetr.layers import repeat
from aligndetr.layers.conditional_attention import ModulatedPosition
from aligndetr.layers.mlp import MLP
from aligndetr.modeling.pyramid import Pyramid
from aligndetr.modeling.queries.queries import Queries
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
            reference: (B, Q, L, 2|4) points or boxes around which to sample, normalised to the
                padded levels.
            memory: (B, S, C).
            pyramid: geometry of the memory.
            blocked: (Q, Q) bool, True where the row's query must not see the column's.
        """
        x = self.norm1(x + self._drop(self.self_attention(x, position, blocked)))
        x = self.norm2(x + self._drop(self.look(x, position, reference, memory, pyramid)))
        return self.norm3(x + self.ffn(x))

    def look(
        self, x: Tensor, position: Tensor, reference: Tensor, memory: Tensor, pyramid: Pyramid
    ) -> Tensor:
        """Cross-attention; see `forward`."""
        return self.cross_attention(
            x, reference, memory, pyramid.shapes, pyramid.padding, query_pos=position
        )

    def _drop(self, x: Tensor) -> Tensor:
        return F.dropout(x, self.dropout, self.training)


class DenseDecoderLayer(DecoderLayer):
    """A decoder layer with dense cross-attention (DETR, DAB-DETR).

    `self_attention` and `cross_attention` are a pair that understands the same kind of position:
    `SelfAttention` and `CrossAttention` a tensor, the conditional pair a `ModulatedPosition`.
    """

    def look(
        self,
        x: Tensor,
        position: Tensor | ModulatedPosition,
        reference: Tensor,
        memory: Tensor,
        pyramid: Pyramid,
    ) -> Tensor:
        """Cross-attention to all tokens that are not padding."""
        return self.cross_attention(x, position, memory, pyramid.position, pyramid.padding)


class Decoder(nn.Module):
    """A stack of decoder layers, each with a prediction.

    Args:
        layer: the layer that is repeated.
        num_layers: I.
        refinement: how predictions follow from states and anchors, see `refinement.py`.
        class_head, box_head: heads, one of each a layer.
        norm: of the states that are predicted from.
        position_mlp: (B, Q, 4) anchors, (B, Q, C) content and the layer's index -> query position
            as the layers want it, see `AnchorPosition`; None where the query source fixes the
            position for all layers.
        heads: makes the heads of all layers from one: `repeat`, or `share`.
        eval_idx: index of the layer after which evaluation stops; negative ones count from the
            end. Training uses all layers (RT-DETR, section 4.4).
        first_layer: the first layer, where it differs from the others (DAB-DETR).
        first_size_bias: where the first box head's bias of width and height starts, in logit space;
            -2 makes boxes around points 0.12 of the image (Deformable-DETR).
        one2many_head: another class head, for what `HybridCriterion` matches one-to-many in
            training (MS-DETR, arXiv 2401.03989, implementation (a) of the authors); the boxes are
            those of `box_head`.

    Raises:
        ValueError: there is no layer `eval_idx`.
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
        eval_idx: int = -1,
        first_layer: nn.Module | None = None,
        first_size_bias: float = 0.0,
        one2many_head: nn.Module | None = None,
    ) -> None:
        super().__init__()
        if not -num_layers <= eval_idx < num_layers:
            raise ValueError(f"eval_idx is {eval_idx}, but there are {num_layers} decoder layers")
        first = [] if first_layer is None else [first_layer]
        self.layers = nn.ModuleList([*first, *repeat(layer, num_layers - len(first))])
        self.refinement = refinement
        self.class_heads = heads(class_head, num_layers)
        self.box_heads = heads(box_head, num_layers)
        self.one2many_heads = None if one2many_head is None else heads(one2many_head, num_layers)
        if first_size_bias:
            last = cast(nn.Linear, cast(MLP, self.box_heads[0]).layers[-1])
            nn.init.constant_(last.bias[2:], first_size_bias)
        self.norm = norm
        self.position_mlp = position_mlp
        self.eval_idx = range(num_layers)[eval_idx]

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
            Predictions of I layers; in evaluation of those up to `eval_idx`.
        """
        x, position = queries.content, queries.position
        anchors = queries.anchors.sigmoid()
        state = RefinementState(anchors, anchors)
        states, logits, boxes = [], [], []
        steps = list(zip(self.layers, self.class_heads, self.box_heads, strict=True))
        steps = steps if self.training else steps[: self.eval_idx + 1]
        for index, (layer, class_head, box_head) in enumerate(steps):
            reference = pyramid.reference(state.anchors)
            if self.position_mlp is not None:
                position = self.position_mlp(reference[:, :, 0], x, index)
            x = layer(x, position, reference, memory, pyramid, blocked)
            normed = self.norm(x)
            states.append(normed)
            logits.append(class_head(normed))
            state = self.refinement(box_head, x, normed, state)
            boxes.append(state.boxes)
        return Predictions(torch.stack(logits), torch.stack(boxes), self._one2many(states))

    def _one2many(self, states: list[Tensor]) -> Tensor | None:
        if self.one2many_heads is None or not self.training:
            return None
        heads = zip(self.one2many_heads, states, strict=True)
        return torch.stack([head(normed) for head, normed in heads])
