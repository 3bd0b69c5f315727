"""Configs that lack a part of what a run reads."""

import pytest

from aligndetr.engine.run import evaluate, train
from aligndetr.errors import ConfigError


@pytest.mark.parametrize("name", ["train", "dataloader", "model", "optimizer", "lr_multiplier"])
@pytest.mark.parametrize("value, said", [(None, "is missing"), (3, "is '3'"), ([], "is '\\[\\]'")])
def test_a_section_that_is_none_is_named(tiny_config, name, value, said):
    config = tiny_config()
    config[name] = value
    with pytest.raises(ConfigError, match=f"section {name} {said}; it must be a mapping"):
        train(config)
    if name not in ("optimizer", "lr_multiplier"):
        with pytest.raises(ConfigError, match=f"section {name} {said}"):
            evaluate(config, "x.pth")
    del config[name]
    with pytest.raises(ConfigError, match=f"section {name} is missing"):
        train(config)


@pytest.mark.parametrize("name", ["model", "optimizer", "lr_multiplier"])
def test_a_section_without_a_target_is_named(tiny_config, name):
    config = tiny_config()
    del config[name]._target_
    with pytest.raises(ConfigError, match=f"section {name} has no _target_"):
        train(config)


@pytest.mark.parametrize("odd", [None, "", 3, ["run"]])
def test_a_run_needs_a_folder(tiny_config, odd):
    config = tiny_config()
    config.train.output_dir = odd
    for run in (train, lambda config: evaluate(config, "x.pth")):
        with pytest.raises(ConfigError, match=r"train\.output_dir is .*; it must name a folder"):
            run(config)
