"""Norm layers: batch norm with constant statistics, and the usual ones by their short names."""

from __future__ import annotations

import math
from collections.abc import Generator
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from aligndetr.layers.tracing import is_tracing

GROUP_NORM_GROUPS = 32


class FrozenBatchNorm2d(nn.Module):
    """Batch normalisation whose statistics and affine parameters are constants.

    Everything is a buffer: nothing is trained, nothing is updated, and training mode changes
    nothing. Computes `x * scale + shift` with the four tensors folded into two.

    Args:
        num_channels: C.
        eps: added to the variance.
    """

    weight: Tensor
    bias: Tensor
    running_mean: Tensor
    running_var: Tensor

    def __init__(self, num_channels: int, eps: float = 1e-5):
        super().__init__()
        self.num_channels = num_channels
        self.eps = eps
        self.register_buffer("weight", torch.ones(num_channels))
        self.register_buffer("bias", torch.zeros(num_channels))
        self.register_buffer("running_mean", torch.zeros(num_channels))
        self.register_buffer("running_var", torch.ones(num_channels))
        self._folded: tuple[Tensor, Tensor] | None = None  # inside of `folded_together`

    def scale_shift(self) -> tuple[Tensor, Tensor]:
        """Return the two vectors (C,) that the layer multiplies by and adds."""
        if (folded := self._folded) is not None:
            return folded
        scale = self.weight * torch.rsqrt(self.running_var + self.eps)
        return scale, self.bias - self.running_mean * scale

    def forward(self, x: Tensor) -> Tensor:
        """Normalise x (B,C,H,W), or (B,C) and (B,C,...); dtype and memory format stay."""
        shape = (-1, *[1] * (x.dim() - 2))
        scale, shift = (vector.to(x.dtype).view(shape) for vector in self.scale_shift())
        return torch.addcmul(shift, x, scale)

    def extra_repr(self) -> str:  # noqa: D102
        return f"{self.num_channels}, eps={self.eps}"


@contextmanager
def folded_together(module: nn.Module) -> Generator[None]:
    """Inside of the block the frozen norms in `module` share one computation of their constants.

    On a GPU each norm's own four operators of a few hundred numbers take as long as large ones.
    """
    norms = [each for each in module.modules() if isinstance(each, FrozenBatchNorm2d)]
    if is_tracing() or len({(norm.eps, norm.weight.dtype) for norm in norms}) != 1:
        yield
        return
    sizes = [norm.num_channels for norm in norms]
    names = ("weight", "bias", "running_mean", "running_var")
    weight, bias, mean, var = (torch.cat([getattr(n, name) for n in norms]) for name in names)
    scale = weight * torch.rsqrt(var + norms[0].eps)
    folded = zip(scale.split(sizes), (bias - mean * scale).split(sizes), strict=True)
    try:
        for norm, pair in zip(norms, folded, strict=True):
            norm._folded = pair
        yield
    finally:
        for norm in norms:
            norm._folded = None


def _group_norm(num_channels: int) -> nn.GroupNorm:
    # Narrow networks have fewer channels than groups: the largest number that divides both.
    return nn.GroupNorm(math.gcd(GROUP_NORM_GROUPS, num_channels), num_channels)


NORMS = {
    "FrozenBN": FrozenBatchNorm2d,
    "BN": nn.BatchNorm2d,
    "SyncBN": nn.SyncBatchNorm,
    "GN": _group_norm,
}


def make_norm(name: str, num_channels: int) -> nn.Module:
    """Build the norm layer of that name ("FrozenBN", "BN", "SyncBN", "GN") for C channels.

    Raises:
        ValueError: the name is none of these.
    """
    if name not in NORMS:
        raise ValueError(f"unknown norm {name!r}: choose one of {', '.join(NORMS)}")
    return NORMS[name](num_channels)


def freeze_batch_norm(module: nn.Module) -> nn.Module:
    """Replace every batch norm in `module` by a FrozenBatchNorm2d with its present values.

    Returns:
        `module` itself changed in place, or its replacement if it is a batch norm.
    """
    if isinstance(module, _BatchNorm):
        frozen = FrozenBatchNorm2d(module.num_features, module.eps)
        for name, buffer in frozen.named_buffers():
            value = getattr(module, name)
            if value is not None:
                frozen._buffers[name] = value.detach().clone().to(buffer.dtype)
        return frozen
    for name, child in module.named_children():
        setattr(module, name, freeze_batch_norm(child))
    return module
