"""ChannelMapper against convolution and group norm written out."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from aligndetr.modeling.necks import ChannelMapper


def plain(state, name, x, stride, padding, groups):
    x = F.conv2d(x, state[f"{name}.conv.weight"], state[f"{name}.conv.bias"], stride, padding)
    b, c, h, w = x.shape
    grouped = x.reshape(b, groups, -1)
    mean, var = grouped.mean(-1, keepdim=True), grouped.var(-1, unbiased=False, keepdim=True)
    x = ((grouped - mean) / (var + 1e-5).sqrt()).reshape(b, c, h, w)
    weight, bias = (state[f"{name}.norm.{p}"][:, None, None] for p in ("weight", "bias"))
    return x * weight + bias


@pytest.mark.parametrize("activation", [None, nn.ReLU()])
def test_equals_the_formula_and_the_first_extra_level_reads_the_last_input(activation):
    torch.manual_seed(0)
    neck = ChannelMapper({"a": 6, "b": 10}, 8, num_outs=4, num_groups=4, activation=activation)
    for tensor in neck.state_dict().values():
        tensor.uniform_(-0.5, 0.5)
    # More maps than used, in another order: the names decide.
    features = {
        "b": torch.randn(2, 10, 7, 5),
        "unused": torch.randn(2, 3, 3, 3),
        "a": torch.randn(2, 6, 13, 9),
    }
    state, act = neck.state_dict(), activation or nn.Identity()
    extra = act(plain(state, "extra_convs.0", features["b"], 2, 1, 4))
    expected = [
        act(plain(state, "convs.0", features["a"], 1, 0, 4)),
        act(plain(state, "convs.1", features["b"], 1, 0, 4)),
        extra,
        act(plain(state, "extra_convs.1", extra, 2, 1, 4)),
    ]
    outputs = neck(features)
    assert [tuple(m.shape[2:]) for m in outputs] == [(13, 9), (7, 5), (4, 3), (2, 2)]
    for ours, other in zip(outputs, expected, strict=True):
        torch.testing.assert_close(ours, other, rtol=1e-4, atol=1e-5)


def test_a_sequence_takes_the_maps_in_their_order():
    neck = ChannelMapper([4, 6], 8, num_outs=2, num_groups=2)
    maps = neck({"x": torch.randn(1, 4, 6, 6), "y": torch.randn(1, 6, 3, 3)})
    assert [m.shape for m in maps] == [(1, 8, 6, 6), (1, 8, 3, 3)]
    assert not list(neck.extra_convs)


def test_initialisation_keeps_the_scale():
    torch.manual_seed(0)
    neck = ChannelMapper([256], 256, num_outs=1)
    # Xavier uniform: variance 2 / (fan_in + fan_out) = 2 / 512 for a 1x1 kernel.
    assert neck.convs[0].conv.weight.var().item() == pytest.approx(2 / 512, rel=0.05)
    assert neck.convs[0].conv.bias.abs().max() == 0


@pytest.mark.parametrize(
    "arguments, message",
    [
        (({}, 8, 4), "empty"),
        (([4, 4], 8, 1), "num_outs is 1"),
        (([4], 40, 1), "40 is no multiple of num_groups 32"),
    ],
)
def test_bad_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        ChannelMapper(*arguments)
