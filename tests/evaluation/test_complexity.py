"""Costs by module, by hand."""

import torch
from torch import nn
from torch.nn.functional import scaled_dot_product_attention

from aligndetr.evaluation.complexity import (
    activation_counts,
    cost_table,
    flop_counts,
    parameter_counts,
)
from aligndetr.modeling import DetectorOutput
from aligndetr.structures import Predictions


class Attention(nn.Module):
    def forward(self, x):
        return scaled_dot_product_attention(x, x, x)


class ToyDetector(nn.Module):
    """conv 3 -> 8 on the image, attention over 20 tokens of 4 features in 2 heads."""

    def __init__(self):
        super().__init__()
        self.trunk = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1, bias=False))
        self.attention = Attention()
        self.tied = self.trunk

    def detect(self, images):
        assert not self.training
        features = self.trunk(images.pixels)
        tokens = features.flatten(2)[..., :20].transpose(1, 2)
        tokens = self.attention(tokens.reshape(1, 2, 20, 4))
        return DetectorOutput(Predictions(tokens, tokens))


def test_counts_by_hand():
    model = ToyDetector()
    # conv: 8 outputs x 6 x 10 pixels x 27 inputs; attention: 2 heads x 20 x 20 x (4 + 4)
    flops = flop_counts(model, (6, 10))
    assert flops["trunk"] == 8 * 60 * 27 == 12960
    assert flops["attention"] == 2 * 20 * 20 * 8 == 6400
    assert flops[""] == 12960 + 6400
    assert activation_counts(model, (6, 10))["trunk"] == 8 * 60
    parameters = parameter_counts(model)
    assert parameters[""] == parameters["trunk"] == 8 * 27  # the tied one once
    assert model.training


def test_flops_grow_with_the_image():
    model = ToyDetector()
    assert flop_counts(model, (12, 10))["trunk"] == 2 * flop_counts(model, (6, 10))["trunk"]


def test_table():
    counts = {"": 2_500_000, "backbone": 2_000_000, "backbone.stem": 5, "neck": 0}
    table = cost_table({"parameters": counts}, depth=1)
    lines = [line.split() for line in table.splitlines()]
    assert ["all", "2.5", "M", "100.0"] in lines
    assert ["backbone", "2", "M", "80.0"] in lines
    assert not any("stem" in line or "neck" in line for line in lines)
    assert any("stem" in line for line in cost_table({"parameters": counts}, depth=2).splitlines())
    assert torch.is_grad_enabled()
