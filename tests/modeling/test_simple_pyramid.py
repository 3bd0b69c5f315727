"""Scales from the one map of a plain vision transformer."""

import pytest
import torch
from torch import nn

from aligndetr.modeling.backbone import SimpleFeaturePyramid, TransformersBackbone
from aligndetr.modeling.necks import ChannelMapper


class OneMap(nn.Module):
    """Averages patches of 8 pixels, ceil(H/8) x ceil(W/8), into 16 channels."""

    channels, strides = {"last": 16}, {"last": 8}

    def forward(self, images):
        pooled = nn.functional.avg_pool2d(images, 8, ceil_mode=True)
        return {"last": pooled.mean(1, keepdim=True).expand(-1, 16, -1, -1)}


SCALES = {"p1": 4, "p2": 2, "p3": 1.0, "p4": 0.5, "p5": 0.25}


@pytest.mark.parametrize("size", [(64, 96), (61, 97), (9, 7)])
def test_levels_cover_images_of_any_size(size):
    model = SimpleFeaturePyramid(OneMap(), "last", SCALES, out_channels=12)
    assert model.strides == {"p1": 2, "p2": 4, "p3": 8, "p4": 16, "p5": 32}
    maps = model(torch.randn(2, 3, *size))
    for name, stride in model.strides.items():
        rows, columns = -(-size[0] // stride), -(-size[1] // stride)
        assert maps[name].shape == (2, 12, rows, columns), name


def test_a_level_sees_its_own_part_of_the_image():
    # A change at the bottom right reaches the last position of each level, and not the first.
    model = SimpleFeaturePyramid(OneMap(), "last", {"p2": 2, "p3": 1, "p4": 0.5}, 12)
    images = torch.randn(1, 3, 128, 128)
    changed = images.clone()
    changed[..., 120:, 120:] += 3
    before, after = model(images), model(changed)
    for name in before:
        difference = (after[name] - before[name]).abs().amax(1)[0]
        assert difference[0, 0] == 0, name
        assert difference[-1, -1] > 0, name


def test_levels_are_normalised_over_channels():
    model = SimpleFeaturePyramid(OneMap(), "last", {"p2": 2}, 12)
    level = model(torch.randn(1, 3, 32, 32))["p2"]
    torch.testing.assert_close(level.mean(1), torch.zeros(1, 8, 8), atol=1e-5, rtol=0)
    torch.testing.assert_close(level.var(1, correction=0), torch.ones(1, 8, 8), atol=1e-3, rtol=0)


@pytest.mark.parametrize(
    "arguments, message",
    [
        (("first", {"p3": 1}), r"in_feature 'first': the backbone gives \['last'\]"),
        (("last", {"p3": 3}), "scale 3 of 16 channels: give a power of two"),
        (("last", {"p3": -1}), "give a power of two"),
        (("last", {"p0": 16}), "no whole number of pixels"),
    ],
)
def test_what_cannot_be_scaled_is_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        SimpleFeaturePyramid(OneMap(), *arguments)


def test_a_plain_transformer_feeds_the_neck():
    pytest.importorskip("transformers")
    sizes = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "patch_size": 14}
    net = TransformersBackbone("dinov2", ["stage2"], config=sizes)
    backbone = SimpleFeaturePyramid(net, "stage2", {"p3": 2, "p4": 1, "p5": 0.5}, 32)
    assert backbone.strides == {"p3": 7, "p4": 14, "p5": 28}
    neck = ChannelMapper(backbone.channels, out_channels=32, num_outs=4)
    levels = neck(backbone(torch.randn(1, 3, 61, 97)))
    # rows ceil(61/7), ceil(61/14), ceil(61/28); the fourth halves the third: (3+1)/2
    assert [level.shape[2:] for level in levels] == [(9, 14), (5, 7), (3, 4), (2, 2)]
    sum(level.square().sum() for level in levels).backward()
    for name, parameter in backbone.named_parameters():
        assert (parameter.grad is not None) == parameter.requires_grad, name
