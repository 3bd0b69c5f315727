"""Which parameter of the shipped AlignDETR gets which learning rate and weight decay."""

from __future__ import annotations

import re

import torch

from aligndetr.config import LazyConfig, instantiate
from aligndetr.config.find_file import resolve_config
from tests.parity.golden import Golden, for_each
from tests.parity.weights import first_alias, published_names


def shipped(golden: Golden):
    """Optimizer and model of the shipped 12-epoch config, with the layers that the file has."""
    config = LazyConfig.load(resolve_config("aligndetr_k2_r50_4scale_12ep"))
    for part in ("encoder", "decoder"):
        pattern = rf"transformer\.{part}\.layers\.(\d+)\."
        found = (re.match(pattern, name) for name in golden.json["params"])
        config.model[part].num_layers = 1 + max(int(match[1]) for match in found if match)
    with torch.device("meta"):
        model = instantiate(config.model)
    config.optimizer.params.model = model
    return model, instantiate(config.optimizer)


@for_each("optimizer_groups*.json")
def test_groups(case, compare):
    golden = case.json
    model, optimizer = shipped(case)
    names = published_names(model)
    name_of = {id(p): names[name] for name, p in model.named_parameters()}
    settings = {
        name_of[id(parameter)]: [group["lr"] / golden["lr"], group["weight_decay"]]
        for group in optimizer.param_groups
        for parameter in group["params"]
    }
    expected = {first_alias(name): value for name, value in golden["params"].items()}
    compare.equal("parameters in the optimizer", sorted(settings), sorted(expected))
    ours = torch.tensor([settings[name] for name in expected], dtype=torch.float64)
    compare("lr factor and weight decay", ours, list(expected.values()), atol=1e-12)
    outside = sorted(set(name_of.values()) - set(settings))
    compare.equal("parameters outside", outside, sorted(golden["not_in_optimizer"]))
    kinds = [
        (len(group["params"]), [group["lr"], group["weight_decay"]])
        for group in optimizer.param_groups
    ]
    published = zip(golden["group_sizes"], golden["group_lr_wd"], strict=True)
    compare.equal("groups", sorted(kinds), sorted(published))
    assert {tuple(group["betas"]) for group in optimizer.param_groups} == {tuple(golden["betas"])}
