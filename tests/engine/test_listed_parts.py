"""What is listed in a config, but is no hook, writer or evaluator."""

import pytest
from omegaconf import OmegaConf

from aligndetr.config import LazyCall as L
from aligndetr.engine.hooks import MOMENTS, Hook
from aligndetr.engine.listed_parts import listed_parts
from aligndetr.engine.run import train
from aligndetr.errors import ConfigValueError


class OldHook:
    """A hook of another toolbox, before there was a moment between the passes."""

    def before_train(self): ...
    def before_step(self): ...
    def after_step(self): ...
    def after_train(self): ...


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("train.writers", [[[]]], r"^train.writers\[0\] is .*, which has no method start: "),
        ("train.writers", 5, r"^train.writers must be a list, .* not 5$"),
        ("train.hooks", [3], r"^train.hooks\[0\] is 3, which has no method before_train: "),
        (
            "train.hooks",
            [None],
            r"^train.hooks\[0\] is None, .*hooks.base.Hook$",
        ),
        ("dataloader.evaluator", [[]], r"^dataloader.evaluator\[0\] is \[\], .* no method reset: "),
        ("dataloader.evaluator", [None], r"^dataloader.evaluator\[0\] is None, "),
    ],
)
def test_no_part_of_its_kind(key, value, message, tiny_config):
    config = tiny_config()
    section, _, name = key.partition(".")
    config[section][name] = value
    with pytest.raises(ConfigValueError, match=message):
        train(config)


def test_each_moment_is_needed():
    config = OmegaConf.create({"train": {}}, flags={"allow_objects": True})
    assert listed_parts(config, "train.hooks", Hook, MOMENTS) == []
    config.train.hooks = [L(Hook)(), L(OldHook)()]
    with pytest.raises(ConfigValueError, match=r"hooks\[1\] .* has no method after_backward"):
        listed_parts(config, "train.hooks", Hook, MOMENTS)
