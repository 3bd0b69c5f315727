"""ResNet against a hand-written one, transformers' ResNet and torch's batch norm."""

import copy

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from aligndetr.layers.norm import FrozenBatchNorm2d, freeze_batch_norm, make_norm
from aligndetr.modeling.backbone import BACKBONES, ResNet, build_backbone
from studies.precision import double_precision

ALL_STAGES = ("stem", "res2", "res3", "res4", "res5")


@pytest.fixture(autouse=True)
def in_double_precision():
    torch.manual_seed(0)
    with double_precision():
        yield


def randomise_norms(module):
    """Give every norm values away from its defaults, so that a wrong use of any shows."""
    for name, tensor in module.state_dict().items():
        if name.endswith("running_var"):
            tensor.uniform_(0.5, 2.0)
        elif "norm." in name and tensor.is_floating_point():
            tensor.uniform_(0.3, 1.2)
    return module


def plain_conv_norm(state, name, x, stride, padding, dilation=1):
    """Convolution, then the textbook formula of batch norm, from a state dict."""
    mean, var, weight, bias = (
        state[f"{name}.norm.{part}"][:, None, None]
        for part in ("running_mean", "running_var", "weight", "bias")
    )
    weights = state[f"{name}.weight"]
    x = F.conv2d(x, weights, stride=stride, padding=padding, dilation=dilation)
    return (x - mean) / torch.sqrt(var + 1e-5) * weight + bias


def plain_resnet(state, images, blocks, stride_in_1x1=False, res5_dilation=(1, 1)):
    """All stage outputs, computed from the state dict alone."""
    x = plain_conv_norm(state, "stem.conv1", images, 2, 3).relu()
    outputs = [x := F.max_pool2d(x, 3, 2, 1)]
    for stage, count in zip(("res2", "res3", "res4", "res5"), blocks, strict=True):
        for block in range(count):
            name = f"{stage}.{block}"
            stride = 2 if block == 0 and stage != "res2" else 1
            dilation = 1
            if stage == "res5" and 2 in res5_dilation:
                stride, dilation = 1, res5_dilation[0 if block == 0 else 1]
            residual = x
            if f"{name}.shortcut.weight" in state:
                residual = plain_conv_norm(state, f"{name}.shortcut", x, stride, 0)
            if f"{name}.conv3.weight" in state:
                first, second = (stride, 1) if stride_in_1x1 else (1, stride)
                y = plain_conv_norm(state, f"{name}.conv1", x, first, 0).relu()
                y = plain_conv_norm(state, f"{name}.conv2", y, second, dilation, dilation).relu()
                y = plain_conv_norm(state, f"{name}.conv3", y, 1, 0)
            else:
                y = plain_conv_norm(state, f"{name}.conv1", x, stride, 1).relu()
                y = plain_conv_norm(state, f"{name}.conv2", y, 1, 1)
            x = (residual + y).relu()
        outputs.append(x)
    return outputs


@pytest.mark.parametrize(
    "depth, blocks", [(18, (2, 2, 2, 2)), (34, (3, 4, 6, 3)), (50, (3, 4, 6, 3))]
)
@pytest.mark.parametrize("norm", ["FrozenBN", "BN"])
def test_equals_the_formula(depth, blocks, norm):
    model = ResNet(depth, width=8, norm=norm, freeze_at=0, out_features=ALL_STAGES).eval()
    randomise_norms(model)
    images = torch.randn(2, 3, 70, 53)
    expected = plain_resnet(model.state_dict(), images, blocks)
    for ours, plain in zip(model(images).values(), expected, strict=True):
        torch.testing.assert_close(ours, plain, rtol=1e-10, atol=1e-10)


def test_stride_in_1x1_moves_the_reduction():
    model = ResNet(50, width=8, stride_in_1x1=True, out_features=ALL_STAGES)
    randomise_norms(model)
    images = torch.randn(1, 3, 64, 64)
    expected = plain_resnet(model.state_dict(), images, (3, 4, 6, 3), stride_in_1x1=True)
    for ours, plain in zip(model(images).values(), expected, strict=True):
        torch.testing.assert_close(ours, plain, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("dilation", [(1, 2), (2, 2)])  # torchvision's, detectron2's
@pytest.mark.parametrize("norm", ["FrozenBN", "BN"])
def test_a_dilated_res5_keeps_the_resolution_of_res4(dilation, norm):
    model = ResNet(50, width=8, norm=norm, res5_dilation=dilation, out_features=ALL_STAGES).eval()
    randomise_norms(model)
    images = torch.randn(2, 3, 70, 53)
    expected = plain_resnet(model.state_dict(), images, (3, 4, 6, 3), res5_dilation=dilation)
    for ours, plain in zip(model(images).values(), expected, strict=True):
        torch.testing.assert_close(ours, plain, rtol=1e-10, atol=1e-10)
    assert (model.strides["res4"], model.strides["res5"]) == (16, 16)
    assert expected[-1].shape[-2:] == (5, 4)  # 70 / 16 and 53 / 16, rounded up
    undilated = ResNet(50, width=8, norm=norm, out_features=ALL_STAGES)
    undilated.load_state_dict(model.state_dict())  # the same names and shapes


def test_frozen_norm_gradients_equal_batch_norm_in_evaluation():
    frozen = randomise_norms(ResNet(18, width=8, norm="FrozenBN", freeze_at=0))
    normal = ResNet(18, width=8, norm="BN", freeze_at=0).eval()
    normal.load_state_dict(frozen.state_dict(), strict=False)
    images = torch.randn(2, 3, 64, 64)
    for model in (frozen, normal):
        sum(m.square().mean() for m in model(images).values()).backward()
    gradients = dict(normal.named_parameters())
    for name, parameter in frozen.named_parameters():
        torch.testing.assert_close(parameter.grad, gradients[name].grad, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("depth, layer_type", [(18, "basic"), (50, "bottleneck")])
def test_equals_transformers(depth, layer_type):
    transformers = pytest.importorskip("transformers")
    expansion = 1 if layer_type == "basic" else 4
    config = transformers.ResNetConfig(
        embedding_size=8,
        hidden_sizes=[8 * expansion * 2**i for i in range(4)],
        depths=[2, 2, 2, 2] if depth == 18 else [3, 4, 6, 3],
        layer_type=layer_type,
        out_features=["stage1", "stage2", "stage3", "stage4"],
    )
    theirs = randomise_hugging_face(transformers.ResNetBackbone(config).eval())
    ours = ResNet(depth, width=8, norm="FrozenBN", freeze_at=0, out_features=ALL_STAGES[1:])
    # Both list their parameters in the order of the layers, but the shortcut comes first there.
    ours.load_state_dict(rename_hugging_face(theirs.state_dict()))
    images = torch.randn(1, 3, 64, 96)
    with torch.no_grad():
        expected = theirs(images).feature_maps
        for mine, other in zip(ours(images).values(), expected, strict=True):
            torch.testing.assert_close(mine, other, rtol=1e-10, atol=1e-10)


def randomise_hugging_face(module):
    for name, tensor in module.state_dict().items():
        if "normalization" in name and tensor.is_floating_point():
            tensor.uniform_(0.5, 1.5)
    return module


def rename_hugging_face(state):
    renamed = {}
    for name, tensor in state.items():
        if name.endswith("num_batches_tracked"):
            continue
        parts = name.split(".")
        norm = "norm." if "normalization" in name else ""
        if parts[0] == "embedder":
            target = "stem.conv1."
        else:
            stage, block = f"res{int(parts[2]) + 2}", parts[4]
            layer = f"conv{int(parts[6]) + 1}" if parts[5] == "layer" else "shortcut"
            target = f"{stage}.{block}.{layer}."
        renamed[target + norm + parts[-1]] = tensor
    return renamed


def test_channels_and_strides_describe_the_outputs():
    for depth, features in ((18, ALL_STAGES), (50, ("res2", "res4"))):
        model = ResNet(depth, width=8, out_features=features)
        outputs = model(torch.randn(1, 3, 128, 96))
        assert list(outputs) == list(model.channels) == list(model.strides) == list(features)
        for name, output in outputs.items():
            stride = model.strides[name]
            assert output.shape == (1, model.channels[name], 128 // stride, 96 // stride)
    # Bottlenecks quadruple 64 * 2**i: 256, 512, 1024, 2048.
    assert ResNet(50).channels == {"res3": 512, "res4": 1024, "res5": 2048}


def test_stages_after_the_last_output_are_not_built():
    model = ResNet(18, width=8, out_features=("stem", "res3"))
    assert [name for name, _ in model.named_children()] == ["stem", "res2", "res3"]


@pytest.mark.parametrize("freeze_at, trained_from", [(0, "stem"), (1, "res2"), (3, "res4")])
def test_freeze_at(freeze_at, trained_from):
    model = ResNet(18, width=8, norm="BN", freeze_at=freeze_at, out_features=ALL_STAGES).train()
    frozen_parts = ALL_STAGES[: ALL_STAGES.index(trained_from)]
    before = copy.deepcopy(model.state_dict())
    sum(m.sum() for m in model(torch.randn(2, 3, 64, 64)).values()).backward()
    for name, parameter in model.named_parameters():
        assert (parameter.grad is None) == name.startswith(frozen_parts), name
    for name, tensor in model.state_dict().items():
        if name.endswith("running_mean"):
            changed = not torch.equal(tensor, before[name])
            assert changed != name.startswith(frozen_parts), name


def test_frozen_batch_norm_alone():
    # scale = 3 / sqrt(4 - 1e-5 + 1e-5) = 1.5, shift = 0.5 - 2 * 1.5 = -2.5; x = 6 gives 6.5
    norm = FrozenBatchNorm2d(1)
    values = {"weight": [3.0], "bias": [0.5], "running_mean": [2.0], "running_var": [4.0 - 1e-5]}
    norm.load_state_dict({name: torch.tensor(value) for name, value in values.items()})
    x = torch.full((1, 1, 2, 2), 6.0, requires_grad=True)
    y = norm.train()(x)
    torch.testing.assert_close(y, torch.full((1, 1, 2, 2), 6.5))
    y.sum().backward()
    torch.testing.assert_close(x.grad, torch.full((1, 1, 2, 2), 1.5))
    assert not list(norm.parameters())


def test_freezing_keeps_values_eps_and_output():
    module = nn.Sequential(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4, eps=1e-3))
    for _ in range(3):
        module(torch.randn(4, 3, 5, 5))
    x = torch.randn(2, 3, 5, 5)
    expected = module.eval()(x)
    torch.testing.assert_close(freeze_batch_norm(module).train()(x), expected)


def test_memory_format_and_dtype_pass_through():
    model = ResNet(18, width=16).float().to(memory_format=torch.channels_last)
    images = torch.randn(1, 3, 64, 64).float().contiguous(memory_format=torch.channels_last)
    for output in model(images).values():
        assert output.is_contiguous(memory_format=torch.channels_last)
    half = FrozenBatchNorm2d(4).float()(torch.randn(1, 4, 3, 3).bfloat16())
    assert half.dtype == torch.bfloat16


def test_autocast_follows_the_full_precision_result():
    model = ResNet(18, width=16).float()
    images = torch.randn(1, 3, 64, 64).float()
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        half = model(images)["res3"]
    assert half.dtype == torch.bfloat16
    full = model(images)["res3"]
    # bfloat16 keeps 8 bits; about ten layers of it add up to a few percent of the scale.
    assert (half.float() - full).abs().max() < 0.05 * full.abs().max()


def test_group_norm_fits_narrow_networks():
    assert make_norm("GN", 64).num_groups == 32
    assert make_norm("GN", 48).num_groups == 16
    ResNet(18, width=16, norm="GN", freeze_at=0)(torch.randn(1, 3, 64, 64))


def test_registry():
    model = build_backbone("ResNet", depth=18, width=8)
    assert isinstance(model, BACKBONES.get("ResNet"))
    with pytest.raises(ValueError, match=r"unknown backbone 'ResNeXt'.*ResNet"):
        build_backbone("ResNeXt")


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"depth": 49}, "no ResNet of depth 49.*50"),
        ({"norm": "LN"}, "unknown norm 'LN'.*FrozenBN"),
        ({"out_features": ("res6",)}, "res6.*stem, res2..res5"),
        ({"out_features": ()}, "out_features"),
        ({"freeze_at": 6}, "freeze_at is 6"),
        ({"res5_dilation": (2, 1)}, r"res5_dilation is \[2, 1\]"),
        ({"depth": 18, "res5_dilation": (1, 2)}, "depth 18 has no bottlenecks"),
    ],
)
def test_bad_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        ResNet(**arguments)
