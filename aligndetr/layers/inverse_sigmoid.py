"""Between boxes in [0, 1] and their unbounded logits."""

from torch import Tensor


def inverse_sigmoid(x: Tensor, eps: float = 1e-3) -> Tensor:
    """log(x / (1 - x)) with both terms of the fraction at least `eps`.

    Args:
        x: any shape; values outside [0, 1] are clamped.
        eps: 1e-3 in this family's published code; 1e-5 in Hugging Face's and RT-DETR's.
    """
    x = x.clamp(0, 1)
    return (x.clamp(min=eps) / (1 - x).clamp(min=eps)).log()
