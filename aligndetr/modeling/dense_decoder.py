"""A decoder layer that looks at every token of one feature map."""

from __future__ import annotations

from torch import Tensor

from aligndetr.layers.conditional_attention import ModulatedPosition
from aligndetr.modeling.decoder import DecoderLayer
from aligndetr.modeling.pyramid import Pyramid


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
