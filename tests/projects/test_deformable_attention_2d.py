"""Attention to moved points: against loops over numbers, plain attention, and unpadded images."""

import math

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from aligndetr.projects.deformable_attention_2d import attention as module_2d
from aligndetr.projects.deformable_attention_2d.attention import (
    ContinuousPositionBias,
    DeformableAttention2D,
    OffsetNetwork,
    PerLevelAttention,
)


def make_attention(stride=2, kernel_size=4, **arguments):
    """Random everywhere, points moved by a good part of their range."""
    torch.manual_seed(0)
    arguments = dict(embed_dim=8, num_heads=4, num_groups=2, bias_dim=5) | arguments
    attention = DeformableAttention2D(stride=stride, kernel_size=kernel_size, **arguments).double()
    with torch.no_grad():
        for parameter in attention.parameters():
            parameter.normal_().mul_(0.5)
    return attention


def make_plain(**arguments):
    """Points in their places, no bias by displacement."""
    attention = make_attention(**arguments)
    nn.init.zeros_(attention.offset_network.offset.weight)
    nn.init.zeros_(attention.position_bias.mlp.layers[-1].weight)
    nn.init.zeros_(attention.position_bias.mlp.layers[-1].bias)
    return attention


def linear(layer, vector):
    """A linear layer on a list of numbers."""
    rows = layer.weight.tolist()
    biases = [0.0] * len(rows) if layer.bias is None else layer.bias.tolist()
    return [
        bias + sum(w * v for w, v in zip(row, vector, strict=True))
        for row, bias in zip(rows, biases, strict=True)
    ]


def moved_points(attention, queries, group, height, width):
    """Points (x, y) of one group, by the definition of the offset network."""
    network, stride = attention.offset_network, attention.stride
    kernels, shifts = network.depthwise.weight[:, 0].tolist(), network.depthwise.bias.tolist()
    kernel_size, channels = len(kernels[0]), len(kernels)
    reach = (kernel_size - stride) // 2
    points = []
    for i in range(math.ceil(height / stride)):
        for j in range(math.ceil(width / stride)):
            features = list(shifts)
            for c in range(channels):
                for a in range(kernel_size):
                    for b in range(kernel_size):
                        y, x = i * stride - reach + a, j * stride - reach + b
                        if 0 <= y < height and 0 <= x < width:
                            features[c] += kernels[c][a][b] * queries[y][x][group * channels + c]
            mean = sum(features) / channels
            variance = sum((f - mean) ** 2 for f in features) / channels
            scales = zip(
                features, network.norm.weight.tolist(), network.norm.bias.tolist(), strict=True
            )
            features = [(f - mean) / math.sqrt(variance + 1e-5) * w + b for f, w, b in scales]
            features = [f * (1 + math.erf(f / math.sqrt(2))) / 2 for f in features]
            move = [
                math.tanh(o) * attention.offset_range * stride
                for o in linear(network.offset, features)
            ]
            x, y = (k * stride + (stride - 1) / 2 + m for k, m in zip((j, i), move, strict=True))
            points.append((min(max(x, 0), width - 1), min(max(y, 0), height - 1)))
    return points


def interpolate(image, channel, x, y):
    """Bilinear value of image[y][x][channel] within the image."""
    left, top = math.floor(x), math.floor(y)
    total = 0.0
    for row in (top, top + 1):
        for column in (left, left + 1):
            weight = (1 - abs(y - row)) * (1 - abs(x - column))
            if weight > 0:
                total += weight * image[row][column][channel]
    return total


def log_distance(d):
    return math.copysign(math.log(1 + abs(d)), d)


def loop(attention, query, value):
    """The definition for one image, (H, W, C) lists to (H * W, C) lists."""
    height, width, channels = len(query), len(query[0]), len(query[0][0])
    groups, heads = attention.num_groups, attention.num_heads
    queries = [[linear(attention.query_proj, pixel) for pixel in row] for row in query]
    points = [moved_points(attention, queries, g, height, width) for g in range(groups)]
    sampled = [
        [interpolate(value, c, *points[c * groups // channels][k]) for c in range(channels)]
        for k in range(len(points[0]))
    ]
    keys = [linear(attention.key_proj, s) for s in sampled]
    values = [linear(attention.value_proj, s) for s in sampled]
    dim, heads_a_group = channels // heads, heads // groups
    outputs = []
    for y, x in ((y, x) for y in range(height) for x in range(width)):
        output = []
        for h in range(heads):
            part, group = slice(h * dim, (h + 1) * dim), h // heads_a_group
            scores = []
            for key, (u, v) in zip(keys, points[group], strict=True):
                dot = sum(a * b for a, b in zip(queries[y][x][part], key[part], strict=True))
                answer = [log_distance(u - x), log_distance(v - y)]
                for number, layer in enumerate(attention.position_bias.mlp.layers):
                    answer = linear(layer, answer)
                    answer = [max(a, 0.0) for a in answer] if number < 2 else answer
                scores.append(dot / math.sqrt(dim) + answer[h % heads_a_group])
            weights = [math.exp(s - max(scores)) for s in scores]
            for d in range(h * dim, (h + 1) * dim):
                total = sum(w * v[d] for w, v in zip(weights, values, strict=True))
                output.append(total / sum(weights))
        outputs.append(linear(attention.output_proj, output))
    return outputs


@pytest.mark.parametrize(
    "arguments, shape",
    [
        ({}, (4, 6)),
        ({"num_groups": 1}, (3, 5)),
        ({"num_groups": 4, "stride": 3, "kernel_size": 3}, (4, 4)),
        ({"stride": 1, "kernel_size": 3, "offset_range": 5.0}, (2, 3)),
    ],
)
def test_equals_the_loop(arguments, shape):
    attention = make_attention(**arguments)
    query, value = torch.randn(2, 1, 8, *shape).double()
    expected = loop(attention, *(x[0].permute(1, 2, 0).tolist() for x in (query, value)))
    ours = attention(query, value)
    torch.testing.assert_close(
        ours[0], torch.tensor(expected, dtype=torch.float64), rtol=1e-9, atol=1e-9
    )


def plain_attention(attention, x, pooled):
    """Softmax attention from all pixels of x (B, C, H, W) to all pixels of `pooled`."""
    queries, points = x.flatten(2).transpose(1, 2), pooled.flatten(2).transpose(1, 2)
    query, key, value = (
        projection(tokens).unflatten(-1, (attention.num_heads, -1)).transpose(1, 2)
        for projection, tokens in (
            (attention.query_proj, queries),
            (attention.key_proj, points),
            (attention.value_proj, points),
        )
    )
    weights = (query @ key.transpose(2, 3) / math.sqrt(query.shape[-1])).softmax(-1)
    return attention.output_proj((weights @ value).transpose(1, 2).flatten(2))


@pytest.mark.parametrize(
    "stride, kernel_size, regular",
    [
        (1, 3, lambda x: x),
        # A point between 2 x 2 pixels has their mean; at an odd border, that of those there are.
        (2, 4, lambda x: F.avg_pool2d(x, 2, ceil_mode=True)),
        (3, 5, lambda x: x[..., 1::3, 1::3]),
    ],
)
@pytest.mark.parametrize("shape", [(6, 12), (5, 8)])
def test_unmoved_points_without_bias_are_plain_attention(stride, kernel_size, regular, shape):
    attention = make_plain(stride=stride, kernel_size=kernel_size)
    x = torch.randn(2, 8, *shape).double()
    expected = plain_attention(attention, x, regular(x))
    torch.testing.assert_close(attention(x, x), expected, rtol=1e-10, atol=1e-10)


def test_unmoved_points_by_hand():
    attention = make_plain()
    points = attention.points(torch.randn(1, 4, 6, 8).double(), None)
    # middles of 2 x 2 pixels: x 0.5, 2.5, 4.5 and y 0.5, 2.5
    expected = [[[0.5, 0.5], [2.5, 0.5], [4.5, 0.5]], [[0.5, 2.5], [2.5, 2.5], [4.5, 2.5]]]
    assert points.tolist() == [[expected, expected]]


def test_it_starts_with_points_almost_in_their_places():
    torch.manual_seed(0)
    attention = DeformableAttention2D(64, 4, 2, stride=4, kernel_size=6)
    points = attention.points(torch.randn(2, 16, 24, 64), None)
    moves = (points - 1.5) / 4 - (points / 4).floor()  # in steps, from the middle of 4 pixels
    assert 0 < moves.abs().max() < 0.5
    assert moves.abs().mean() < 0.15


def test_points_move_no_further_than_their_range_and_stay_inside():
    attention = make_attention(offset_range=0.5, stride=3, kernel_size=3)
    nn.init.constant_(attention.offset_network.offset.weight, 100.0)  # tanh is at its ends
    points = attention.points(torch.randn(4, 7, 9, 8).double(), None)
    start = torch.stack(torch.meshgrid(*[torch.tensor([1.0, 4.0, 7.0])] * 2, indexing="xy"), -1)
    moved = (points - start).abs()
    assert moved.max().item() == pytest.approx(1.5)  # half a step of 3 pixels
    assert (points[..., 0] <= 8).all()
    assert (points[..., 1] <= 6).all()
    assert (points >= 0).all()


def test_gradients():
    attention = make_attention(bias_dim=3)
    x = torch.randn(1, 8, 3, 4).double().requires_grad_()
    y = torch.randn(1, 8, 3, 4).double().requires_grad_()
    parameters = dict(attention.named_parameters())

    def run(query, value, *values):
        replaced = dict(zip(parameters, values, strict=True))
        return torch.func.functional_call(attention, replaced, (query, value))

    assert torch.autograd.gradcheck(run, (x, y, *parameters.values()))


def test_every_parameter_learns_also_where_points_move():
    attention = make_attention()
    x = torch.randn(2, 8, 5, 6).double()
    attention(x, x).square().sum().backward()
    # A constant added to all keys changes no softmax.
    silent = {name for name, p in attention.named_parameters() if p.grad.abs().max() < 1e-9}
    assert silent <= {"key_proj.bias", "position_bias.mlp.layers.2.bias"}
    assert attention.offset_network.depthwise.weight.grad.abs().min() > 0


def test_points_learn_to_find_what_is_asked_for():
    """One bright pixel is missed by the regular points: training moves one to it."""
    torch.manual_seed(0)
    attention = DeformableAttention2D(4, 1, 1, stride=4, kernel_size=4, bias_dim=4)
    x = torch.randn(1, 4, 4, 4) * 0.1
    x[:, :, 0:3, 0:3] += torch.tensor([0.5, 1.0, 0.5])[:, None] * torch.tensor([0.5, 1.0, 0.5])
    nn.init.eye_(attention.value_proj.weight)
    nn.init.eye_(attention.output_proj.weight)
    start = attention(x, x).mean().item()
    optimizer = torch.optim.Adam(attention.offset_network.parameters(), lr=0.02)
    for _ in range(60):
        optimizer.zero_grad()
        (-attention(x, x).mean()).backward()
        optimizer.step()
    queries = attention.query_proj(x.permute(0, 2, 3, 1))
    (point,) = attention.points(queries, None).flatten(0, 3).tolist()
    assert point == pytest.approx([1.0, 1.0], abs=0.3)  # it had started at 1.5, 1.5
    assert attention(x, x).mean().item() > start + 0.2


@pytest.mark.parametrize("direction", [-1.0, 1.0])  # one goes for the padding, one away from it
@pytest.mark.parametrize("sizes", [[(6, 8), (4, 4)], [(5, 7), (6, 3), (1, 1)]])
def test_padding_changes_nothing(sizes, direction):
    """Each image of a padded batch comes out as it does alone, whatever the padding holds."""
    attention = make_attention(offset_range=4.0)
    with torch.no_grad():
        attention.offset_network.offset.weight.mul_(direction)
    padding = torch.ones(len(sizes), 7, 9, dtype=torch.bool)
    query, value = torch.randn(2, len(sizes), 8, 7, 9).double() * 3
    for mask, (height, width) in zip(padding, sizes, strict=True):
        mask[:height, :width] = False
    for x in (query, value):
        x.masked_fill_(padding[:, None], torch.nan)
    together = attention(query, value, padding).unflatten(1, (7, 9))
    for i, (height, width) in enumerate(sizes):
        alone = attention(*(x[i : i + 1, :, :height, :width] for x in (query, value)))
        ours = together[i, :height, :width].flatten(0, 1)
        torch.testing.assert_close(ours, alone[0], rtol=1e-10, atol=1e-10)


def test_bias_by_hand():
    bias = ContinuousPositionBias(2, 2).double()
    with torch.no_grad():
        for layer in bias.mlp.layers:
            layer.weight.copy_(torch.eye(2))
            layer.bias.zero_()
        bias.mlp.layers[0].bias.fill_(10.0)  # ReLU cuts nothing, so the network adds 10
    pixels = torch.tensor([[2.0, 1.0]]).double()
    points = torch.tensor([[[[2.0 + math.e - 1, 1.0]], [[1.0, 1.5]]]]).double()
    # two groups, two outputs each: x then y; log(1 + e - 1) = 1, log(1 + 0); -log 2, log 1.5
    expected = [11.0, 10.0, 10 - math.log(2), 10 + math.log(1.5)]
    assert bias(pixels, points).shape == (1, 4, 1, 1)
    assert bias(pixels, points).flatten().tolist() == pytest.approx(expected)


@pytest.mark.parametrize("padded", [False, True])
def test_blocks_give_the_same_result_and_gradients(monkeypatch, padded):
    attention, results = make_attention(), []
    padding = torch.zeros(2, 6, 5, dtype=torch.bool)
    padding[1, 4:] = True
    x = torch.randn(2, 8, 6, 5).double().requires_grad_()
    # 2 images x 2 groups x 9 points: 36 pairs a pixel; 30 pixels in blocks of 4, 4, ..., 2
    for limit in (2**22, 4 * 36 + 5, 1):
        monkeypatch.setattr(module_2d, "PAIRS_AT_ONCE", limit)
        out = attention(x, x, padding if padded else None)
        wanted = [x, *attention.parameters()]
        results.append([out, *torch.autograd.grad(out.square().sum(), wanted)])
    for other in results[1:]:
        for ours, expected in zip(other, results[0], strict=True):
            torch.testing.assert_close(ours, expected, rtol=1e-10, atol=1e-10)


def test_blocks_bound_the_memory(monkeypatch):
    monkeypatch.setattr(module_2d, "PAIRS_AT_ONCE", 360)
    attention, pairs = make_attention(), []
    attention.position_bias.register_forward_hook(lambda _, __, out: pairs.append(out[:, 0]))
    x = torch.randn(2, 8, 6, 5).double()
    attention(x, x)
    # 360 / 36 = 10 of 30 pixels a block; 2 groups share what one output shows
    assert [2 * p.numel() for p in pairs] == [360] * 3


def test_levels_are_looked_at_one_by_one():
    attention, shapes = make_attention(), [(4, 5), (2, 3)]
    levels = PerLevelAttention(attention)
    value, position = torch.randn(2, 2, 26, 8).double()
    padding = torch.zeros(2, 26, dtype=torch.bool)
    padding[1, [4, 9, 14, 19, 22, 25]] = True  # the last column of both levels
    ours = levels(value, None, value, shapes, padding, query_pos=position)
    for part, shape in ((slice(0, 20), shapes[0]), (slice(20, 26), shapes[1])):
        q, v = (x[:, part].transpose(1, 2).reshape(2, 8, *shape) for x in (value + position, value))
        expected = attention(q, v, padding[:, part].view(2, *shape))
        torch.testing.assert_close(ours[:, part], expected)
    without = levels(value, None, value, shapes, None)
    changed = value.clone()
    changed[:, 20:] += 1
    again = levels(changed, None, changed, shapes, None)
    torch.testing.assert_close(again[:, :20], without[:, :20])


def test_autocast_follows_full_precision():
    torch.manual_seed(0)
    attention = DeformableAttention2D(16, 4, 2, stride=2, kernel_size=4)
    nn.init.normal_(attention.offset_network.offset.weight)
    x = torch.randn(2, 16, 9, 8)
    padding = torch.zeros(2, 9, 8, dtype=torch.bool)
    padding[0, 5:] = True
    expected = attention(x, x, padding)
    with torch.autocast("cpu", torch.bfloat16):
        half = attention(x, x, padding)
    assert half.dtype == torch.bfloat16
    torch.testing.assert_close(half.float(), expected, rtol=0.05, atol=0.05)
    half.float().sum().backward()
    assert all(p.grad.isfinite().all() for p in attention.parameters())


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"num_heads": 3}, "embed_dim 8 is not divisible by num_heads 3"),
        ({"num_groups": 3}, "num_heads 4 is not a multiple of num_groups 3"),
        ({"stride": 4, "kernel_size": 3}, "kernel_size 3 must be stride 4 plus an even number"),
        ({"stride": 4, "kernel_size": 5}, "kernel_size 5 must be stride 4 plus"),
    ],
)
def test_bad_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        make_attention(**arguments)
    if "kernel_size" in arguments:
        with pytest.raises(ValueError, match=message):
            OffsetNetwork(8, **arguments)
