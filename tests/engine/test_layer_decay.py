"""Layer-wise learning rates, computed by hand."""

import pytest
from torch import nn

from aligndetr.engine.layer_decay import LayerwiseDecay
from aligndetr.engine.optimizer import parameter_groups
from aligndetr.errors import ConfigError


class Transformer(nn.Module):
    """Two stages of two and one blocks, between an embedding and a norm."""

    def __init__(self):
        super().__init__()
        self.embedding = nn.Linear(2, 2, bias=False)
        self.layers = nn.ModuleList(
            nn.ModuleDict({"blocks": nn.ModuleList(nn.Linear(2, 2, bias=False) for _ in range(n))})
            for n in (2, 1)
        )
        self.norm = nn.LayerNorm(2, bias=False)


class Small(nn.Module):
    def __init__(self):
        super().__init__()
        self.backbone = Transformer()
        self.head = nn.Linear(2, 2, bias=False)


def rates(model, **arguments):
    names = {parameter: name for name, parameter in model.named_parameters()}
    groups = parameter_groups(model, 1.0, **arguments)
    return {
        names[p]: (group["lr"], group.get("weight_decay"))
        for group in groups
        for p in group["params"]
    }


# N = 3 blocks: block i has 0.5 ** (4 - i), the embedding 0.5 ** 4, the norm 0.5 ** 0
EXPECTED = {
    "backbone.embedding.weight": 0.0625,
    "backbone.layers.0.blocks.0.weight": 0.125,
    "backbone.layers.0.blocks.1.weight": 0.25,
    "backbone.layers.1.blocks.0.weight": 0.5,
    "backbone.norm.weight": 1.0,
    "head.weight": 1.0,
}


def test_rates_shrink_with_depth():
    found = rates(Small(), weight_decay=0.5, lr_factor=LayerwiseDecay(0.5))
    assert {name: lr for name, (lr, _) in found.items()} == EXPECTED
    assert found["backbone.norm.weight"][1] == 0.0  # the rules of weight decay hold as before
    assert found["head.weight"][1] == 0.5


def test_a_scale_multiplies_all_of_the_part_and_nothing_else():
    found = rates(Small(), lr_factor=LayerwiseDecay(0.5, scale=0.25))
    expected = {name: lr / 4 for name, lr in EXPECTED.items()} | {"head.weight": 1.0}
    assert {name: lr for name, (lr, _) in found.items()} == expected


def test_frozen_blocks_still_count():
    model = Small()
    model.backbone.embedding.requires_grad_(False)
    model.backbone.layers[0].requires_grad_(False)
    found = rates(model, lr_factor=LayerwiseDecay(0.5))
    assert {name: lr for name, (lr, _) in found.items()} == {
        name: EXPECTED[name]
        for name in ("backbone.layers.1.blocks.0.weight", "backbone.norm.weight", "head.weight")
    }


def test_a_part_may_be_nested():
    model = nn.ModuleDict({"student": Small()})
    found = rates(model, lr_factor=LayerwiseDecay(0.5, part="student.backbone"))
    assert found["student.backbone.embedding.weight"][0] == 0.0625
    assert found["student.head.weight"][0] == 1.0


@pytest.mark.parametrize("decay", [0.0, -0.5, 1.5])
def test_a_decay_that_is_none_is_refused(decay):
    with pytest.raises(ConfigError, match="above 0, at most 1"):
        LayerwiseDecay(decay)


def test_parts_without_blocks_are_named():
    with pytest.raises(ConfigError, match="no parameters in 'bakbone'"):
        rates(Small(), lr_factor=LayerwiseDecay(0.5, part="bakbone"))
    with pytest.raises(ConfigError, match=r"'head', such as head.weight, are not numbered"):
        rates(Small(), lr_factor=LayerwiseDecay(0.5, part="head"))
