"""Deformable stages of the ResNet: arithmetic, names, freezing, files, and training by config."""

import pickle

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from aligndetr.config import LazyConfig, instantiate
from aligndetr.config.find_file import resolve_config
from aligndetr.errors import CheckpointError
from aligndetr.interop import load_checkpoint
from aligndetr.layers.deform_conv import deform_conv2d
from aligndetr.modeling.backbone import ResNet
from aligndetr.modeling.backbone.blocks import BasicBlock, BottleneckBlock

STAGES = ("res2", "res3", "res4", "res5")


def randomise(module):
    """Random values everywhere, offsets of about a pixel included."""
    torch.manual_seed(0)
    for name, tensor in module.state_dict().items():
        if name.endswith(("running_var", "norm.weight")):
            tensor.uniform_(0.5, 1.5)
        elif tensor.is_floating_point():
            tensor.normal_().mul_(0.5 if "norm" in name else 0.1)
    return module


def conv_norm(state, name, x, convolve):
    """A convolution and the textbook formula of batch norm."""
    mean, var, weight, bias = (
        state[f"{name}.norm.{part}"][:, None, None]
        for part in ("running_mean", "running_var", "weight", "bias")
    )
    return (convolve(x, state[f"{name}.weight"]) - mean) / (var + 1e-5).sqrt() * weight + bias


def deformable(state, x, stride):
    """conv2 with its offsets, cut as the layout of detectron2's files says."""
    predicted = F.conv2d(
        x, state["conv2_offset.weight"], state["conv2_offset.bias"], stride, padding=1
    )
    taps = predicted.shape[1] // 3
    offset, mask = predicted.split([2 * taps, taps], dim=1)
    factors = 1 / (1 + (-mask).exp())
    return conv_norm(
        state, "conv2", x, lambda x, w: deform_conv2d(x, offset, factors, w, None, stride, 1)
    )


def strided(stride, padding):
    return lambda x, weight: F.conv2d(x, weight, None, stride, padding)


@pytest.mark.parametrize("norm", ["FrozenBN", "BN"])
@pytest.mark.parametrize("groups", [1, 2])
def test_basic_block_equals_the_formula(norm, groups):
    block = randomise(BasicBlock(8, 8, 1, norm, None, groups)).double().eval()
    state, x = block.state_dict(), torch.randn(2, 8, 6, 7).double()
    y = conv_norm(state, "conv1", x, strided(1, 1)).relu()
    expected = (deformable(state, y, 1) + x).relu()
    torch.testing.assert_close(block(x), expected, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("norm", ["FrozenBN", "BN"])
@pytest.mark.parametrize("in_1x1, first, second", [(False, 1, 2), (True, 2, 1)])
def test_bottleneck_equals_the_formula(norm, in_1x1, first, second):
    shortcut = nn.AvgPool2d(2, ceil_mode=True)
    block = randomise(BottleneckBlock(8, 4, 8, 2, norm, in_1x1, shortcut, 2)).double().eval()
    state, x = block.state_dict(), torch.randn(2, 8, 7, 9).double()
    y = conv_norm(state, "conv1", x, strided(first, 0)).relu()
    y = deformable(state, y, second).relu()
    expected = (conv_norm(state, "conv3", y, strided(1, 0)) + shortcut(x)).relu()
    torch.testing.assert_close(block(x), expected, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize(("depth", "dilation"), [(18, (1, 1)), (50, (1, 1)), (50, (1, 2))])
def test_it_starts_as_the_ordinary_network_with_half_of_conv2(depth, dilation):
    """Zero offsets and factors of 1/2: kernels twice as large make up for the factors."""
    arguments = dict(depth=depth, width=8, out_features=STAGES, res5_dilation=dilation)
    plain = randomise(ResNet(**arguments)).double()
    model = ResNet(**arguments, deform_stages=("res3", "res5"), deform_groups=2).double()
    state = plain.state_dict()
    for name in state:
        if name.startswith(("res3", "res5")) and name.endswith("conv2.weight"):
            state[name] = state[name] * 2
    lacking = model.load_state_dict(state, strict=False).missing_keys
    assert {name.split(".")[2] for name in lacking} == {"conv2_offset"}
    images = torch.randn(1, 3, 64, 80).double()
    with torch.no_grad():
        for ours, expected in zip(model(images).values(), plain(images).values(), strict=True):
            torch.testing.assert_close(ours, expected, rtol=1e-9, atol=1e-9)


def test_names_and_shapes_are_those_of_detectron2():
    """Its R-50 with deformable res3 to res5 has 4 + 6 + 3 predictors of 27 = 3 x 9 channels."""
    with torch.device("meta"):
        plain = ResNet(50).state_dict()
        state = ResNet(50, deform_stages=("res3", "res4", "res5")).state_dict()
    added = {name: tuple(state[name].shape) for name in state if name not in plain}
    expected = {}
    for stage, blocks, inner in (("res3", 4, 128), ("res4", 6, 256), ("res5", 3, 512)):
        for block in range(blocks):
            expected[f"{stage}.{block}.conv2_offset.weight"] = (27, inner, 3, 3)
            expected[f"{stage}.{block}.conv2_offset.bias"] = (27,)
    assert added == expected
    assert all(plain[name].shape == state[name].shape for name in plain)


def test_the_same_seed_gives_the_same_weights_with_and_without():
    models = []
    for stages in ((), ("res4",)):
        torch.manual_seed(3)
        models.append(ResNet(18, width=8, deform_stages=stages).state_dict())
    assert all(torch.equal(models[0][name], models[1][name]) for name in models[0])


def test_freezing_takes_the_predictors_along():
    model = ResNet(18, 8, "BN", freeze_at=3, deform_stages=("res3", "res4")).train()
    randomise(model)
    sum(m.square().sum() for m in model(torch.randn(2, 3, 64, 64)).values()).backward()
    for name, parameter in model.named_parameters():
        assert (parameter.grad is None) == name.startswith(("stem", "res2", "res3")), name
    assert model.res4[1].conv2_offset.weight.grad.any()


@pytest.mark.parametrize("norm", ["FrozenBN", "BN"])
@pytest.mark.parametrize("batch", [1, 2])
def test_channels_last_is_kept_and_changes_no_number(norm, batch):
    model = ResNet(18, 8, norm, 0, deform_stages=("res4", "res5"), deform_groups=2)
    randomise(model).double().train()
    images = torch.randn(batch, 3, 64, 96).double()
    gradients = []
    for memory_format in (torch.contiguous_format, torch.channels_last):
        model.zero_grad()
        outputs = model(images.contiguous(memory_format=memory_format)).values()
        assert all(x.is_contiguous(memory_format=memory_format) for x in outputs)
        sum(x.square().mean() for x in outputs).backward()
        gradients.append({name: p.grad.clone() for name, p in model.named_parameters()})
    for name, gradient in gradients[0].items():
        torch.testing.assert_close(gradients[1][name], gradient, rtol=1e-6, atol=1e-9, msg=name)


def test_weights_of_detectron2_load(tmp_path):
    arguments = dict(width=8, deform_stages=("res3", "res4", "res5"))
    published, model = randomise(ResNet(50, **arguments)), ResNet(50, **arguments)
    arrays = {name: value.numpy() for name, value in published.state_dict().items()}
    (tmp_path / "R-50-dconv.pkl").write_bytes(pickle.dumps({"model": arrays}))
    report = load_checkpoint(model, tmp_path / "R-50-dconv.pkl", strict=True)
    assert report.source == "detectron2 ResNet"
    for name, value in model.state_dict().items():
        assert torch.equal(value, published.state_dict()[name]), name


def test_classifier_weights_say_what_they_lack(tmp_path):
    classifier, model = ResNet(18, 8), ResNet(18, 8, deform_stages=("res5",))
    arrays = {name: value.numpy() for name, value in classifier.state_dict().items()}
    (tmp_path / "R-18.pkl").write_bytes(pickle.dumps({"model": arrays}))
    report = load_checkpoint(model, tmp_path / "R-18.pkl")
    assert report.missing == [
        f"backbone.res5.{block}.conv2_offset.{part}"
        for block in (0, 1)
        for part in ("weight", "bias")
    ]
    assert torch.equal(model.res5[1].conv2.weight, classifier.res5[1].conv2.weight)
    assert "conv2_offset" in str(report)
    with pytest.raises(CheckpointError, match="conv2_offset"):
        load_checkpoint(model, tmp_path / "R-18.pkl", strict=True)


@pytest.mark.parametrize("name", ["dino_tiny", "rtdetr_tiny"])
def test_a_shipped_model_trains_with_deformable_stages(name, make_item):
    config = LazyConfig.load(resolve_config(f"configs/models/{name}.py"))
    LazyConfig.apply_overrides(
        config, ["model.num_classes=5", "+model.backbone.deform_stages=[res4,res5]"]
    )
    torch.manual_seed(0)
    model = instantiate(config.model).train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
    predictors = [p for n, p in model.named_parameters() if "conv2_offset.weight" in n]
    assert len(predictors) == 4  # two blocks a stage
    for _ in range(2):
        losses = model([make_item(seed=seed) for seed in range(2)])
        optimizer.zero_grad()
        sum(losses.values()).backward()
        optimizer.step()
    assert all(weight.any() for weight in predictors)
    (result,) = model.eval()([make_item(height=64, width=96)])
    assert result["instances"].scores.isfinite().all()


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"deform_stages": ("res6",)}, "res6.*give names among res2, res3, res4, res5"),
        ({"deform_stages": ("stem",)}, "stem"),
        ({"deform_stages": ("res5",), "out_features": ("res4",)}, "among res2, res3, res4$"),
        ({"deform_groups": 0}, "deform_groups is 0"),
        ({"deform_stages": ("res4",), "deform_groups": 3}, "split into 3 groups"),
    ],
)
def test_bad_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        ResNet(50, width=8, **arguments)
