"""How boxes follow from decoder states and anchors, layer by layer."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

from torch import Tensor, nn
from torch.nn import functional as F

from aligndetr.layers.boxes import inverse_sigmoid


@dataclass
class RefinementState:
    """Boxes on their way through the layers.

    Attributes:
        anchors: (B, Q, 2|4) what the next layer looks at, in [0, 1].
        base: (B, Q, 2|4) what the next layer's prediction is relative to; may carry gradient.
        boxes: (B, Q, 4) this layer's prediction; None before the first layer.
    """

    anchors: Tensor
    base: Tensor
    boxes: Tensor | None = None


@dataclass
class Refinement(ABC):
    """What a decoder layer predicts, and what the next one looks at and corrects.

    Args:
        eps: of `inverse_sigmoid`.
    """

    eps: float = 1e-3

    @abstractmethod
    def __call__(
        self, box_head: nn.Module, x: Tensor, normed: Tensor, state: RefinementState
    ) -> RefinementState:
        """One layer.

        Args:
            box_head: (..., C) -> (..., 4) corrections in logit space.
            x: (B, Q, C) raw state.
            normed: (B, Q, C) normalised state.
            state: after the layer before.

        Returns:
            Boxes of this layer, anchors and base for the next.
        """


class FixedAnchors(Refinement):
    """Every layer looks at, and predicts relative to, the first anchors (Deformable-DETR, 4.1)."""

    def __call__(
        self, box_head: nn.Module, x: Tensor, normed: Tensor, state: RefinementState
    ) -> RefinementState:
        """See `Refinement`."""
        boxes = move(state.anchors, box_head(normed), self.eps)
        return RefinementState(state.anchors, state.anchors, boxes)


class IterativeRefinement(Refinement):
    """Every layer corrects the boxes of the layer before (Deformable-DETR, appendix A.4).

    Corrections start from boxes without gradient.
    """

    def __call__(
        self, box_head: nn.Module, x: Tensor, normed: Tensor, state: RefinementState
    ) -> RefinementState:
        """See `Refinement`."""
        boxes = move(state.anchors, box_head(normed), self.eps)
        return RefinementState(boxes.detach(), boxes.detach(), boxes)


class LookForwardTwice(Refinement):
    """A box is supervised by its own layer and by the next (DINO, section 3.4).

    Layer i moves the anchors for layer i+1 from its raw state, without gradient. It predicts from
    its normalised state and the anchors that layer i-1 had moved, with gradient. Both use the
    layer's one box head.
    """

    def __call__(
        self, box_head: nn.Module, x: Tensor, normed: Tensor, state: RefinementState
    ) -> RefinementState:
        """See `Refinement`."""
        boxes = move(state.base, box_head(normed), self.eps)
        base = move(state.anchors, box_head(x), self.eps)
        return RefinementState(base.detach(), base, boxes)


def move(anchors: Tensor, delta: Tensor, eps: float) -> Tensor:
    """Correct anchors in logit space.

    Args:
        anchors: (..., 4) cxcywh, or (..., 2) points, for which `delta` alone tells the size.
        delta: (..., 4) corrections.
        eps: of `inverse_sigmoid`.

    Returns:
        (..., 4) cxcywh boxes in [0, 1].
    """
    logits, missing = inverse_sigmoid(anchors, eps), 4 - anchors.shape[-1]
    return (delta + (F.pad(logits, (0, missing)) if missing else logits)).sigmoid()
