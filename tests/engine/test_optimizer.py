import pytest
from torch import nn

from aligndetr.engine.optimizer import parameter_groups
from aligndetr.errors import ConfigError


class Small(nn.Module):
    def __init__(self):
        super().__init__()
        self.backbone = nn.ModuleDict({"conv": nn.Conv2d(3, 4, 1), "norm": nn.BatchNorm2d(4)})
        self.attention = nn.ModuleDict({"sampling_offsets": nn.Linear(4, 2)})
        self.norm = nn.LayerNorm(4)
        self.head = nn.Linear(4, 2)
        self.level_embedding = nn.Parameter(nn.init.zeros_(self.head.bias.new_empty(2)))
        self.backbone["conv"].bias.requires_grad_(False)


def settings(model, groups):
    """{parameter name: (lr, weight decay)}"""
    names = {parameter: name for name, parameter in model.named_parameters()}
    return {
        names[p]: (group["lr"], group.get("weight_decay"))
        for group in groups
        for p in group["params"]
    }


def test_rates_and_decays_follow_the_names_and_kinds_of_modules():
    model = Small()
    groups = parameter_groups(
        model,
        1.0,
        weight_decay=0.5,
        lr_factor={"backbone": 0.1, "sampling_offsets": 0.25},
        weight_decay_overrides={"level_embedding": 0.0, "head.bias": 0.125},
    )
    assert settings(model, groups) == {
        "backbone.conv.weight": (0.1, 0.5),  # its bias is frozen
        "backbone.norm.weight": (0.1, 0.0),
        "backbone.norm.bias": (0.1, 0.0),
        "attention.sampling_offsets.weight": (0.25, 0.5),
        "attention.sampling_offsets.bias": (0.25, 0.5),
        "norm.weight": (1.0, 0.0),
        "norm.bias": (1.0, 0.0),
        "head.weight": (1.0, 0.5),
        "head.bias": (1.0, 0.125),
        "level_embedding": (1.0, 0.0),
    }
    # (0.1, 0.5) (0.1, 0) (0.25, 0.5) (1, 0) (1, 0.5) (1, 0.125): norm and level_embedding share
    assert len(groups) == 6


def test_without_weight_decay_the_optimizer_decides():
    groups = parameter_groups(nn.Linear(2, 2), 1.0)
    assert [set(group) for group in groups] == [{"params", "lr"}]


def test_patterns_match_whole_components_only():
    model = nn.ModuleDict({"backbone2": nn.Linear(2, 2), "backbone": nn.Linear(2, 2)})
    rates = settings(model, parameter_groups(model, 1.0, lr_factor={"backbone": 0.5}))
    assert rates["backbone2.weight"][0] == 1.0
    assert rates["backbone.weight"][0] == 0.5


def test_a_function_of_the_name_may_be_the_factor():
    model = Small()
    groups = parameter_groups(model, 2.0, lr_factor=lambda name: 3.0 if "head" in name else 1.0)
    assert settings(model, groups)["head.weight"][0] == 6.0


def test_a_shared_parameter_counts_once():
    model = nn.ModuleDict({"a": nn.Linear(2, 2), "b": nn.Linear(2, 2)})
    model["b"].weight = model["a"].weight
    groups = parameter_groups(model, 1.0, lr_factor={"a": 0.5})
    assert sum(len(group["params"]) for group in groups) == 3
    assert settings(model, groups)["a.weight"][0] == 0.5


@pytest.mark.parametrize("argument", ["lr_factor", "weight_decay_overrides"])
def test_a_pattern_that_matches_nothing_is_named(argument):
    with pytest.raises(ConfigError, match=rf"{argument}: 'bakbone' matches no.*backbone"):
        parameter_groups(Small(), 1.0, **{argument: {"bakbone": 0.1}})


def test_a_frozen_model_cannot_be_trained():
    with pytest.raises(ConfigError, match="nothing to train"):
        parameter_groups(nn.Linear(2, 2).requires_grad_(False), 1.0)
