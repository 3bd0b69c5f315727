"""Folded detectors: one convolution does what convolution, norm and branches did."""

import copy

import pytest
import torch
from torch import nn

from aligndetr.config import LazyConfig, instantiate
from aligndetr.config.find_file import resolve_config
from aligndetr.modeling.backbone.blocks import ConvNorm, DeformConvNorm
from aligndetr.modeling.folding import fold, optimise
from aligndetr.modeling.hybrid_encoder import RepVGGBlock


def set_norm(norm, weight, bias, mean, var):
    for name, value in zip(
        ("weight", "bias", "running_mean", "running_var"), (weight, bias, mean, var), strict=True
    ):
        getattr(norm, name).data.fill_(value)


@pytest.mark.parametrize("norm", ["BN", "FrozenBN"])
def test_convolution_and_norm_by_hand(norm):
    """((2 x) - 1) / sqrt(4) * 3 + 5 = 3 x + 3.5"""
    conv = ConvNorm(1, 1, 1, 1, norm).double().eval()
    nn.init.constant_(conv.weight, 2.0)
    set_norm(conv.norm, weight=3.0, bias=5.0, mean=1.0, var=4.0 - 1e-5)
    fold(conv)
    assert conv.weight.item() == pytest.approx(3.0)
    assert conv.bias.item() == pytest.approx(3.5)
    assert type(conv.norm) is nn.Identity
    x = torch.tensor([[[[2.0]]]]).double()
    assert conv(x).item() == pytest.approx(9.5)
    assert fold(conv)(x).item() == pytest.approx(9.5)  # once more changes nothing


def test_what_evaluation_must_compute_stays():
    conv = ConvNorm(32, 32, 1, 1, "GN").eval()
    weight = conv.weight.clone()
    fold(conv)
    assert isinstance(conv.norm, nn.GroupNorm)
    assert conv.bias is None
    assert torch.equal(conv.weight, weight)


def test_two_branches_become_one_by_hand():
    """The 3x3 kernel of ones and the 1x1 kernel of 4: ones around a 5."""
    block = RepVGGBlock(1, "BN").double().eval()
    nn.init.constant_(block.conv1.weight, 1.0)
    nn.init.constant_(block.conv2.weight, 4.0)
    for conv, bias in ((block.conv1, 0.25), (block.conv2, 0.5)):
        set_norm(conv.norm, weight=1.0, bias=bias, mean=0.0, var=1.0 - 1e-5)
    x = torch.randn(1, 1, 5, 6, generator=torch.Generator().manual_seed(0)).double()
    before = block(x)
    fold(block)
    expected = torch.ones(3, 3).double()
    expected[1, 1] = 5.0
    torch.testing.assert_close(block.conv1.weight[0, 0], expected)
    assert block.conv1.bias.item() == pytest.approx(0.75)
    assert [name for name, _ in block.named_children()] == ["conv1"]
    torch.testing.assert_close(block(x), before)


def test_branches_with_a_norm_that_cannot_be_folded_stay_two():
    block = fold(RepVGGBlock(32, "GN").eval())
    assert block.conv2 is not None


def test_deformable_convolution():
    torch.manual_seed(0)
    conv = DeformConvNorm(2, 3, 3, 1, "BN").double().eval()
    set_norm(conv.norm, weight=2.0, bias=-1.0, mean=0.5, var=0.25)
    x, offset, mask = torch.randn(1, 2, 6, 6), torch.randn(1, 18, 6, 6), torch.rand(1, 9, 6, 6)
    inputs = [each.double() for each in (x, offset, mask)]
    before = conv(*inputs)
    folded = fold(conv)
    assert type(folded.norm) is nn.Identity
    torch.testing.assert_close(folded(*inputs), before)


@pytest.mark.parametrize("name", ["aligndetr_tiny", "rtdetr_tiny", "detr_tiny"])
def test_a_detector_says_the_same(name):
    """In double precision, where rounding changes no order."""
    torch.manual_seed(0)
    config = LazyConfig.load(resolve_config(name)).model
    config.num_classes = 4
    model = instantiate(config)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.normal_(module.running_mean, std=0.1)
            nn.init.uniform_(module.running_var, 0.5, 1.5)
    model = model.double().eval()
    folded = fold(copy.deepcopy(model))
    left = [each for each in folded.modules() if isinstance(each, nn.BatchNorm2d)]
    assert not left
    item = {"image": torch.randint(0, 256, (3, 96, 128)).double()}
    with torch.no_grad():
        [before], [after] = model([item]), folded([item])
    before, after = before["instances"], after["instances"]
    torch.testing.assert_close(after.scores, before.scores)
    torch.testing.assert_close(after.pred_boxes.tensor, before.pred_boxes.tensor)
    assert torch.equal(after.pred_classes, before.pred_classes)


def test_an_own_detector_may_say_nothing_about_memory():
    """`Detector` asks for no `pixel_format`: the kernels of such a model keep their places."""
    kernels = torch.randn(4, 3, 3, 3).to(memory_format=torch.channels_last)
    model = nn.Sequential(nn.Conv2d(3, 4, 3, bias=False)).eval()
    model[0].weight = nn.Parameter(kernels)
    assert optimise(model)[0].weight.is_contiguous(memory_format=torch.channels_last)
