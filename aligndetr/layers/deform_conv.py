"""Modulated deformable convolution (Zhu et al., Deformable ConvNets v2, 2019).

What computes it depends on what is installed: torchvision's operator where torchvision can be
imported; plain PyTorch elsewhere, and while a program is being exported. The log says which, once.
"""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from aligndetr.layers.tracing import is_exporting

_logger = logging.getLogger(__name__)


def deform_conv2d(
    x: Tensor,
    offset: Tensor,
    mask: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: int = 1,
    padding: int = 0,
    dilation: int = 1,
) -> Tensor:
    """Convolve x with a kernel whose taps are moved and weighted pixel by pixel (equation 1).

    Between pixels x is interpolated bilinearly; outside it is zero. Channels are split evenly
    among N groups of offsets.

    Args:
        x: (B, C, H, W).
        offset: (B, N * kh * kw * 2, H', W') in pixels of x: by group, then by tap, row by row; y
            before x.
        mask: (B, N * kh * kw, H', W') factors in the same order.
        weight: (C', C / g, kh, kw), of a convolution of g groups.
        bias: (C',) or None.
        stride: pixels of x a pixel of the output.
        padding: pixels by which the kernel reaches over each border.
        dilation: pixels of x from tap to tap.

    Returns:
        (B, C', H', W') in the dtype of an ordinary convolution and the memory format of x.

    Raises:
        ValueError: offset, mask or weight do not fit x.
    """
    _check(x, offset, mask, weight, (stride, padding, dilation))
    operator = None if is_exporting() else _torchvision_operator()
    run = sampled_convolution if operator is None else functools.partial(_run_wide, operator)
    output = run(x, offset, mask, weight, bias, stride, padding, dilation)
    if x.is_contiguous(memory_format=torch.channels_last):
        return output.contiguous(memory_format=torch.channels_last)
    return output


def sampled_convolution(
    x: Tensor,
    offset: Tensor,
    mask: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    stride: int,
    padding: int,
    dilation: int,
) -> Tensor:
    """`deform_conv2d` in PyTorch: sample kh * kw times the input, then a 1x1 convolution.

    The samples take kh * kw times the memory of x at the output's resolution.
    """
    kernel_size, (height, width) = weight.shape[-2:], offset.shape[-2:]
    taps = kernel_size[0] * kernel_size[1]
    wide = torch.promote_types(x.dtype, torch.float32)  # halves cannot tell pixels from 256 on
    rows, columns = (
        torch.arange(size, device=x.device, dtype=wide) * stride
        + torch.arange(kernel, device=x.device, dtype=wide)[:, None] * dilation
        - padding
        for kernel, size in zip(kernel_size, (height, width), strict=True)
    )  # (kh, H'), (kw, W')
    moved = offset.to(wide).unflatten(1, (-1, *kernel_size, 2))  # (B, N, kh, kw, 2, H', W')
    grid = torch.stack(
        [
            (2 * (moved[:, :, :, :, 1] + columns[:, None]) + 1) / x.shape[3] - 1,
            (2 * (moved[:, :, :, :, 0] + rows[:, None, :, None]) + 1) / x.shape[2] - 1,
        ],
        dim=-1,
    )  # (B, N, kh, kw, H', W', 2)
    groups = x.to(wide).unflatten(1, (grid.shape[1], -1)).flatten(0, 1)
    samples = F.grid_sample(groups, grid.flatten(0, 1).flatten(1, 3), align_corners=False)
    samples = samples.unflatten(2, (taps, height)).unflatten(0, (x.shape[0], -1))
    factors = mask.to(wide).unflatten(1, (-1, 1, taps))
    samples = (samples * factors).flatten(1, 3).to(x.dtype)  # (B, C * kh * kw, H', W')
    return F.conv2d(samples, weight.flatten(1)[..., None, None], bias, groups=_groups(x, weight))


def _run_wide(
    operator: Callable[..., Tensor],
    x: Tensor,
    offset: Tensor,
    mask: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    *steps: int,
) -> Tensor:
    """torchvision's operator in at least single precision; it has no bfloat16."""
    device, dtype = x.device.type, x.dtype
    if torch.is_autocast_enabled(device) and dtype != torch.float64:
        dtype = torch.get_autocast_dtype(device)
    wide = torch.promote_types(x.dtype, torch.float32)
    x, offset, mask, weight = (tensor.to(wide) for tensor in (x, offset, mask, weight))
    bias = None if bias is None else bias.to(wide)
    return operator(x, offset, weight, bias, *steps, mask).to(dtype)


@functools.cache
def _torchvision_operator() -> Callable[..., Tensor] | None:
    try:
        from torchvision.ops import deform_conv2d as operator
    except (ImportError, RuntimeError, OSError) as error:  # the latter two: built for another torch
        _logger.info("deformable convolution: plain PyTorch (torchvision: %s)", error)
        return None
    _logger.info("deformable convolution: torchvision")
    return operator


class OffsetPredictor(nn.Conv2d):
    """The convolution that looks where a deformable convolution shall look.

    It starts at zero: taps in their places, all factors 1/2.

    Args:
        in_channels: C.
        kernel_size: of the deformable convolution, and of this one.
        num_groups: N, groups of channels that move together.
        stride, padding, dilation: of the deformable convolution.
    """

    def __init__(
        self,
        in_channels: int,
        kernel_size: int,
        num_groups: int = 1,
        stride: int = 1,
        padding: int = 0,
        dilation: int = 1,
    ) -> None:
        if num_groups < 1 or in_channels % num_groups:
            raise ValueError(f"{in_channels} channels cannot be split into {num_groups} groups")
        outputs = 3 * num_groups * kernel_size**2
        super().__init__(in_channels, outputs, kernel_size, stride, padding, dilation)

    def reset_parameters(self) -> None:
        """All zero."""
        nn.init.zeros_(self.weight)
        if self.bias is not None:
            nn.init.zeros_(self.bias)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Map (B, C, H, W) to offset (B, 2 N k k, H', W') and mask (B, N k k, H', W') in (0, 1)."""
        predicted = super().forward(x)
        taps = predicted.shape[1] // 3
        return predicted[:, : 2 * taps], predicted[:, 2 * taps :].sigmoid()


def _groups(x: Tensor, weight: Tensor) -> int:
    return x.shape[1] // weight.shape[1]


def _check(
    x: Tensor, offset: Tensor, mask: Tensor, weight: Tensor, steps: tuple[int, int, int]
) -> None:
    stride, padding, dilation = steps
    channels, taps = x.shape[1], weight[0, 0].numel()
    size = [
        (length + 2 * padding - dilation * (kernel - 1) - 1) // stride + 1
        for length, kernel in zip(x.shape[2:], weight.shape[2:], strict=True)
    ]
    groups = mask.shape[1] // taps
    if channels % weight.shape[1] or len(weight) % _groups(x, weight):
        raise ValueError(f"weight {tuple(weight.shape)} does not fit {channels} channels")
    if groups < 1 or channels % groups:
        raise ValueError(f"{channels} channels cannot be split into {groups} groups of offsets")
    for name, tensor, per_tap in (("offset", offset, 2), ("mask", mask, 1)):
        expected = (x.shape[0], groups * taps * per_tap, *size)
        if tuple(tensor.shape) != expected:
            raise ValueError(f"{name} has shape {tuple(tensor.shape)} instead of {expected}")
