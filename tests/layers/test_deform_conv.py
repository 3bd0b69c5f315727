"""Deformable convolution against loops over pixels, channels and taps, on numbers alone."""

import importlib
import math
import sys
import types

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from aligndetr.layers import deform_conv
from aligndetr.layers.deform_conv import OffsetPredictor, deform_conv2d


def interpolate(plane, y, x):
    """Bilinear value of a list of lists, in which everything outside is zero."""
    total, top, left = 0.0, math.floor(y), math.floor(x)
    for row in (top, top + 1):
        for column in (left, left + 1):
            if 0 <= row < len(plane) and 0 <= column < len(plane[0]):
                weight = (1 - abs(y - row)) * (1 - abs(x - column))
                total += weight * plane[row][column]
    return total


def loop(x, offset, mask, weight, bias, stride, padding, dilation):
    """The definition, one number at a time."""
    channels, kernel_h, kernel_w = x.shape[1], *weight.shape[2:]
    taps = kernel_h * kernel_w
    per_offset_group = channels // (mask.shape[1] // taps)
    out = torch.zeros(len(x), len(weight), *mask.shape[2:], dtype=torch.float64)
    planes, moves, factors = x.tolist(), offset.tolist(), mask.tolist()
    outputs_a_group = len(weight) // (channels // weight.shape[1])
    for b, o, row, column in (index.tolist() for index in (out == 0).nonzero()):
        value = bias[o].item()
        for i in range(weight.shape[1]):
            channel = o // outputs_a_group * weight.shape[1] + i
            group = channel // per_offset_group
            for tap in range(taps):
                k = group * taps + tap
                y = row * stride - padding + tap // kernel_w * dilation
                z = column * stride - padding + tap % kernel_w * dilation
                y += moves[b][2 * k][row][column]
                z += moves[b][2 * k + 1][row][column]
                tapped = interpolate(planes[b][channel], y, z) * factors[b][k][row][column]
                value += weight[o, i, tap // kernel_w, tap % kernel_w].item() * tapped
        out[b, o, row, column] = value
    return out


def make_arguments(groups=1, offset_groups=1, kernel=(3, 3), size=(5, 6), steps=(1, 1, 1)):
    torch.manual_seed(0)
    stride, padding, dilation = steps
    out = [
        (length + 2 * padding - dilation * (k - 1) - 1) // stride + 1
        for length, k in zip(size, kernel, strict=True)
    ]
    taps = kernel[0] * kernel[1]
    return [
        torch.randn(2, 4, *size).double(),
        torch.randn(2, offset_groups * taps * 2, *out).double() * 2,
        torch.rand(2, offset_groups * taps, *out).double(),
        torch.randn(2 * groups, 4 // groups, *kernel).double(),
        torch.randn(2 * groups).double(),
    ]


@pytest.mark.parametrize(
    "shape",
    [
        {},
        {"steps": (2, 1, 1)},
        {"steps": (1, 2, 2), "offset_groups": 2},
        {"steps": (2, 0, 1), "kernel": (2, 3), "offset_groups": 4},
        {"groups": 2, "offset_groups": 2, "kernel": (1, 3)},
        {"groups": 4, "offset_groups": 2, "size": (1, 7)},
        {"groups": 2, "offset_groups": 4, "size": (3, 1)},
    ],
)
def test_equals_the_loop(shape):
    arguments, steps = make_arguments(**shape), shape.get("steps", (1, 1, 1))
    expected = loop(*arguments, *steps)
    torch.testing.assert_close(deform_conv2d(*arguments, *steps), expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("steps", [(1, 1, 1), (2, 1, 1), (1, 2, 2), (3, 0, 1)])
def test_unmoved_taps_are_an_ordinary_convolution(steps):
    x, offset, mask, weight, bias = make_arguments(steps=steps)
    ours = deform_conv2d(x, offset * 0, torch.ones_like(mask), weight, bias, *steps)
    expected = F.conv2d(x, weight, bias, *steps)
    torch.testing.assert_close(ours, expected, rtol=1e-12, atol=1e-12)


def test_moving_all_taps_moves_the_image():
    x, offset, mask, weight, bias = make_arguments()
    offset = offset * 0
    offset[:, 0::2], offset[:, 1::2] = -1.0, 2.0  # one row up, two columns to the right
    ours = deform_conv2d(x, offset, torch.ones_like(mask), weight, bias, padding=1)
    shifted = F.pad(x, (1, 3, 2, 0))  # zeros around, so that no tap leaves what is there
    expected = F.conv2d(shifted, weight, bias)[:, :, : x.shape[2], 2:]
    torch.testing.assert_close(ours, expected, rtol=1e-12, atol=1e-12)


def test_between_pixels_and_outside_by_hand():
    x = torch.tensor([[[[1.0, 2.0], [3.0, 4.0]]]]).double()
    weight = torch.ones(1, 1, 1, 1).double()
    # places (0.5, 0.5): mean 2.5; (-0.25, 0): 0.75 of 1; (-1, 0): nothing; (1.5, 1.5): 4 / 4
    places = torch.tensor([[0.5, 0.5], [-0.25, 0.0], [-1.0, 0.0], [1.5, 1.5]]).double()
    pixels = torch.tensor([[0, 0], [0, 1], [1, 0], [1, 1]])
    offset = (places - pixels).T.view(1, 2, 2, 2)
    mask = torch.tensor([1.0, 1.0, 1.0, 0.5]).double().view(1, 1, 2, 2)
    expected = torch.tensor([[[[2.5, 0.75], [0.0, 0.5]]]]).double()
    torch.testing.assert_close(deform_conv2d(x, offset, mask, weight), expected)


def test_gradients():
    x, offset, mask, weight, bias = make_arguments(offset_groups=2, size=(3, 3), steps=(2, 1, 1))
    offset = offset.floor() + 0.2 + 0.6 * torch.rand_like(offset)  # interpolation bends at pixels
    leaves = [tensor.requires_grad_() for tensor in (x, offset, mask, weight, bias)]
    assert torch.autograd.gradcheck(lambda *t: deform_conv2d(*t, 2, 1, 1), leaves)


class Deformed(nn.Conv2d):
    """A convolution whose taps go where an `OffsetPredictor` says."""

    def __init__(self, *sizes, num_groups=1, bias=True, **steps):
        super().__init__(*sizes, bias=bias, **steps)
        self.offset = OffsetPredictor(sizes[0], sizes[2], num_groups, **steps)

    def forward(self, x):
        steps = (self.stride[0], self.padding[0], self.dilation[0])
        return deform_conv2d(x, *self.offset(x), self.weight, self.bias, *steps)


def test_module_starts_as_half_a_convolution():
    torch.manual_seed(0)
    module = Deformed(4, 6, 3, stride=2, padding=2, dilation=2, num_groups=2).double()
    assert module.offset.out_channels == 2 * 3 * 9  # groups, (y, x, factor), taps
    x = torch.randn(2, 4, 7, 8).double()
    expected = F.conv2d(x, module.weight / 2, module.bias, 2, 2, 2)  # sigmoid(0) = 1 / 2
    torch.testing.assert_close(module(x), expected, rtol=1e-12, atol=1e-12)
    module(x).square().sum().backward()
    assert all(p.grad.abs().sum() > 0 for p in module.parameters())


def test_module_learns_to_look_elsewhere():
    """Gradient descent on the offsets finds that the target is the image moved by a column."""
    torch.manual_seed(0)
    smooth = F.interpolate(torch.randn(1, 1, 4, 4), (16, 16), mode="bicubic")
    module = Deformed(1, 1, 1, bias=False)
    nn.init.constant_(module.weight, 2.0)
    module.weight.requires_grad_(False)
    optimizer = torch.optim.Adam([module.offset.bias], lr=0.05)
    for _ in range(100):
        error = (module(smooth) - smooth.roll(-1, 3))[..., 1:-2].square().mean()
        optimizer.zero_grad()
        error.backward()
        optimizer.step()
    down, right, _ = module.offset.bias.tolist()
    assert abs(down) < 0.2
    assert right == pytest.approx(1.0, abs=0.2)


def test_predictor_orders_offsets_before_factors():
    predictor = OffsetPredictor(2, 1, num_groups=2)
    with torch.no_grad():
        predictor.bias.copy_(torch.tensor([1.0, 2.0, 3.0, 4.0, 0.0, math.log(3.0)]))
    offset, mask = predictor(torch.zeros(1, 2, 1, 1))
    assert offset.flatten().tolist() == [1.0, 2.0, 3.0, 4.0]
    assert mask.flatten().tolist() == pytest.approx([0.5, 0.75])  # 1 / (1 + 1 / 3)


@pytest.mark.parametrize("batch", [1, 2])
def test_channels_last_is_kept_and_changes_no_number(batch):
    x, offset, mask, weight, bias = make_arguments(offset_groups=2)
    results = []
    for memory_format in (torch.contiguous_format, torch.channels_last):
        leaf = x[:batch].clone(memory_format=memory_format).requires_grad_()
        out = deform_conv2d(leaf, offset[:batch], mask[:batch], weight, bias, padding=1)
        assert out.is_contiguous(memory_format=memory_format)
        normed = F.batch_norm(out, None, None, training=True)
        results.append([out, *torch.autograd.grad(normed.pow(3).sum(), leaf)])
    for ours, expected in zip(*results, strict=True):
        torch.testing.assert_close(ours, expected, rtol=1e-10, atol=1e-10)


def test_positions_are_exact_in_half_precision():
    # bfloat16 has 8 bits: column 300 is not one of its numbers; the value 1 is.
    x = torch.zeros(1, 1, 1, 400).bfloat16()
    x[..., 301] = 1.0
    one = torch.ones(1, 1, 1, 1).bfloat16()
    mask = torch.ones(1, 1, 1, 400).bfloat16()
    offset = torch.zeros(1, 2, 1, 400).bfloat16()
    offset[:, 1] = 1.0
    out = deform_conv2d(x, offset, mask, one)
    assert out.dtype == torch.bfloat16
    assert out.flatten().nonzero().tolist() == [[300]]


def test_autocast_follows_full_precision():
    torch.manual_seed(0)
    module, x = Deformed(4, 6, 3, padding=1), torch.randn(2, 4, 9, 9)
    expected = module(x)
    with torch.autocast("cpu", torch.bfloat16):
        half = module(x)
    assert half.dtype == torch.bfloat16
    torch.testing.assert_close(half.float(), expected, rtol=0.03, atol=0.03)
    half.float().sum().backward()
    assert module.offset.weight.grad.isfinite().all()


@pytest.fixture
def torchvision_stand_in(monkeypatch):
    """A module named torchvision whose operator is the loop, and a record of its calls."""
    calls = []

    def operator(x, offset, weight, bias, stride, padding, dilation, mask):
        calls.append(x.dtype)
        wide = [t.double() for t in (x, offset, mask, weight, bias)]
        return loop(*wide, stride, padding, dilation).to(x.dtype)

    package, ops = types.ModuleType("torchvision"), types.ModuleType("torchvision.ops")
    package.ops, ops.deform_conv2d = ops, operator
    monkeypatch.setitem(sys.modules, "torchvision", package)
    monkeypatch.setitem(sys.modules, "torchvision.ops", ops)
    deform_conv._torchvision_operator.cache_clear()
    yield calls
    deform_conv._torchvision_operator.cache_clear()


def test_torchvision_computes_where_it_is_there(torchvision_stand_in):
    arguments = make_arguments(offset_groups=2)
    assert deform_conv._torchvision_operator() is not None
    ours = deform_conv2d(*arguments, padding=1)
    expected = deform_conv.sampled_convolution(*arguments, 1, 1, 1)
    torch.testing.assert_close(ours, expected, rtol=1e-12, atol=1e-12)
    half = deform_conv2d(*(t.bfloat16() for t in arguments), padding=1)
    assert half.dtype == torch.bfloat16
    with torch.autocast("cpu", torch.bfloat16):
        mixed = deform_conv2d(*(t.float() for t in arguments), padding=1)
    assert mixed.dtype == torch.bfloat16
    assert torchvision_stand_in == [torch.float64, torch.float32, torch.float32]


def test_exports_without_torchvision(torchvision_stand_in):
    module, x = Deformed(4, 6, 3, padding=1).eval(), torch.randn(1, 4, 5, 5)
    exported = torch.export.export(module, (x,)).module()
    assert torchvision_stand_in == []
    expected = F.conv2d(x, module.weight / 2, module.bias, padding=1)
    torch.testing.assert_close(exported(x), expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("error", [ImportError, RuntimeError, OSError])
def test_a_torchvision_that_does_not_import_is_not_used(monkeypatch, error):
    class Broken(importlib.abc.MetaPathFinder):
        def find_spec(self, name, path, target=None):
            if name.startswith("torchvision"):
                raise error("operator torchvision::nms does not exist")

    for name in [name for name in sys.modules if name.split(".")[0] == "torchvision"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr(sys, "meta_path", [Broken(), *sys.meta_path])
    deform_conv._torchvision_operator.cache_clear()
    try:
        assert deform_conv._torchvision_operator() is None
    finally:
        deform_conv._torchvision_operator.cache_clear()


def test_torchvision_agrees():
    operator = deform_conv._torchvision_operator()
    if operator is None:
        pytest.skip("torchvision is not installed")
    x, offset, mask, weight, bias = make_arguments(groups=2, offset_groups=2, steps=(2, 1, 1))
    ours = deform_conv.sampled_convolution(x, offset, mask, weight, bias, 2, 1, 1)
    torch.testing.assert_close(ours, operator(x, offset, weight, bias, 2, 1, 1, mask))


@pytest.mark.parametrize(
    "position, tensor, message",
    [
        (1, torch.zeros(2, 18, 5, 5), r"offset has shape \(2, 18, 5, 5\) instead of \(2, 18, 5, 6"),
        (2, torch.zeros(2, 9, 5, 5), r"mask has shape \(2, 9, 5, 5\) instead of \(2, 9, 5, 6\)"),
        (2, torch.zeros(2, 27, 5, 6), "4 channels cannot be split into 3 groups"),
        (2, torch.zeros(2, 8, 5, 6), "4 channels cannot be split into 0 groups"),
        (3, torch.zeros(4, 3, 3, 3), r"weight \(4, 3, 3, 3\) does not fit 4 channels"),
        (3, torch.zeros(3, 2, 3, 3), r"weight \(3, 2, 3, 3\) does not fit 4 channels"),
    ],
)
def test_what_does_not_fit_is_named(position, tensor, message):
    arguments = make_arguments()
    arguments[position] = tensor.double()
    with pytest.raises(ValueError, match=message):
        deform_conv2d(*arguments, padding=1)
    with pytest.raises(ValueError, match="4 channels cannot be split into 3"):
        OffsetPredictor(4, 3, num_groups=3)
