"""The pieces of a residual network: convolution with norm, stem, and the two residual blocks."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from aligndetr.layers.deform_conv import OffsetPredictor, deform_conv2d
from aligndetr.layers.norm import FrozenBatchNorm2d, freeze_batch_norm, make_norm


class ConvNorm(nn.Conv2d):
    """A convolution without bias followed by a norm; parameters `weight` and `norm.*`.

    A frozen batch norm is folded into the kernel at each call, so it costs no pass over the
    activations; the gradient with respect to `weight` is the same.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int,
        stride: int,
        norm: str,
        dilation: int = 1,
    ):
        steps = (stride, kernel_size // 2 * dilation, dilation)
        super().__init__(in_channels, out_channels, kernel_size, *steps, bias=False)
        self.norm = make_norm(norm, out_channels)
        nn.init.kaiming_normal_(self.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, x: Tensor) -> Tensor:
        """Map (B,in,H,W) to (B,out,H/stride,W/stride)."""
        if not isinstance(self.norm, FrozenBatchNorm2d):
            return self.norm(super().forward(x))
        return self._conv_forward(x, *self._folded(self.norm))

    def fold_constants(self) -> None:
        """Take the norm into kernel and bias for good, where evaluation knows its statistics."""
        norm = freeze_batch_norm(self.norm).to(self.weight.dtype)
        if isinstance(norm, FrozenBatchNorm2d):
            self.weight, self.bias = map(nn.Parameter, self._folded(norm))
            self.norm = nn.Identity()

    def _folded(self, norm: FrozenBatchNorm2d) -> tuple[Tensor, Tensor]:
        """Kernel and bias that do what the kernel and a norm do."""
        scale, shift = norm.scale_shift()
        return self.weight * scale[:, None, None, None], shift


class DeformConvNorm(ConvNorm):
    """A modulated deformable convolution without bias followed by a norm; see `deform_conv2d`."""

    def forward(self, x: Tensor, offset: Tensor, mask: Tensor) -> Tensor:
        """Map (B,in,H,W) to (B,out,H/stride,W/stride)."""
        steps = (self.stride[0], int(self.padding[0]), self.dilation[0])
        if not isinstance(self.norm, FrozenBatchNorm2d):
            return self.norm(deform_conv2d(x, offset, mask, self.weight, self.bias, *steps))
        return deform_conv2d(x, offset, mask, *self._folded(self.norm), *steps)

    def no_fixed_order(self, dtype: torch.dtype) -> str:
        """Why its gradients are sums without a fixed order on a GPU."""
        return "deformable convolution has no other backward pass; train without it"


class Stem(nn.Module):
    """7x7 convolution of stride 2, then 3x3 max pooling of stride 2."""

    stride = 4

    def __init__(self, in_channels: int, out_channels: int, norm: str):
        super().__init__()
        self.conv1 = ConvNorm(in_channels, out_channels, 7, stride=2, norm=norm)

    def forward(self, x: Tensor) -> Tensor:
        """Map (B,in,H,W) to (B,out,H/4,W/4)."""
        return F.max_pool2d(F.relu_(self.conv1(x)), kernel_size=3, stride=2, padding=1)


class DeepStem(nn.Module):
    """Three 3x3 convolutions, the first of stride 2, then max pooling (ResNet-C, -D).

    He et al., Bag of Tricks for Image Classification, 2019, figure 2b.
    """

    stride = 4

    def __init__(self, in_channels: int, out_channels: int, norm: str):
        super().__init__()
        half = out_channels // 2
        self.conv1 = ConvNorm(in_channels, half, 3, stride=2, norm=norm)
        self.conv2 = ConvNorm(half, half, 3, stride=1, norm=norm)
        self.conv3 = ConvNorm(half, out_channels, 3, stride=1, norm=norm)

    def forward(self, x: Tensor) -> Tensor:
        """Map (B,in,H,W) to (B,out,H/4,W/4)."""
        for conv in (self.conv1, self.conv2, self.conv3):
            x = F.relu_(conv(x))
        return F.max_pool2d(x, kernel_size=3, stride=2, padding=1)


class PooledShortcut(ConvNorm):
    """A 1x1 convolution after average pooling, which loses no pixel (ResNet-D, figure 2c)."""

    def __init__(self, in_channels: int, out_channels: int, stride: int, norm: str):
        super().__init__(in_channels, out_channels, 1, 1, norm)
        self.pooling = stride

    def forward(self, x: Tensor) -> Tensor:
        """Map (B,in,H,W) to (B,out,H/stride,W/stride), rounded up."""
        if self.pooling > 1:
            x = F.avg_pool2d(x, self.pooling, ceil_mode=True)
        return super().forward(x)


class _Block(nn.Module):
    """What both residual blocks have: a shortcut, `conv2`, `conv2_offset` if it is deformable."""

    shortcut: nn.Module | None

    def _convolve(self, x: Tensor) -> Tensor:
        raise NotImplementedError

    def forward(self, x: Tensor) -> Tensor:
        """Map (B,in,H,W) to (B,out,H/stride,W/stride)."""
        residual = x if self.shortcut is None else self.shortcut(x)
        return F.relu_(self._convolve(x) + residual)

    def _add_conv2(
        self, channels: int, stride: int, norm: str, deform_groups: int, dilation: int = 1
    ) -> None:
        conv = DeformConvNorm if deform_groups else ConvNorm
        self.conv2 = conv(channels, channels, 3, stride, norm, dilation)
        self.conv2_offset = None
        if deform_groups:
            self.conv2_offset = OffsetPredictor(
                channels, 3, deform_groups, stride, padding=dilation, dilation=dilation
            )

    def _apply_conv2(self, x: Tensor) -> Tensor:
        return self.conv2(x) if self.conv2_offset is None else self.conv2(x, *self.conv2_offset(x))


class BasicBlock(_Block):
    """Two 3x3 convolutions and a shortcut (He et al. 2016, figure 5 left).

    Args:
        in_channels: channels of the input.
        out_channels: channels of the output.
        stride: spatial reduction.
        norm: see `make_norm`.
        shortcut: what the input goes through before it is added; None: nothing.
        deform_groups: groups of channels that move together in the second convolution, which then
            is a modulated deformable one; 0: it is an ordinary one.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        stride: int,
        norm: str,
        shortcut: nn.Module | None = None,
        deform_groups: int = 0,
    ):
        super().__init__()
        self.conv1 = ConvNorm(in_channels, out_channels, 3, stride, norm)
        self._add_conv2(out_channels, 1, norm, deform_groups)
        self.shortcut = shortcut

    def _convolve(self, x: Tensor) -> Tensor:
        return self._apply_conv2(F.relu_(self.conv1(x)))


class BottleneckBlock(_Block):
    """1x1, 3x3 and 1x1 convolutions and a shortcut (He et al. 2016, figure 5 right).

    Args:
        in_channels, out_channels, stride, norm, shortcut, deform_groups: see `BasicBlock`.
        inner_channels: channels of the 3x3 convolution.
        stride_in_1x1: reduce in the first 1x1 convolution (MSRA and Caffe2 weights) instead of
            in the 3x3 one (torchvision's).
        dilation: of the 3x3 convolution.
    """

    def __init__(
        self,
        in_channels: int,
        inner_channels: int,
        out_channels: int,
        stride: int,
        norm: str,
        stride_in_1x1: bool,
        shortcut: nn.Module | None = None,
        deform_groups: int = 0,
        dilation: int = 1,
    ):
        super().__init__()
        first, second = (stride, 1) if stride_in_1x1 else (1, stride)
        self.conv1 = ConvNorm(in_channels, inner_channels, 1, first, norm)
        self._add_conv2(inner_channels, second, norm, deform_groups, dilation)
        self.conv3 = ConvNorm(inner_channels, out_channels, 1, 1, norm)
        self.shortcut = shortcut

    def _convolve(self, x: Tensor) -> Tensor:
        return self.conv3(F.relu_(self._apply_conv2(F.relu_(self.conv1(x)))))


def strided_shortcut(
    in_channels: int, out_channels: int, stride: int, norm: str
) -> ConvNorm | None:
    """A 1x1 convolution where the shape changes, else nothing (He et al. 2016, option B)."""
    if in_channels == out_channels and stride == 1:
        return None
    return ConvNorm(in_channels, out_channels, 1, stride, norm)
