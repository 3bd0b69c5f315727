"""The sections of a config that a run reads."""

from __future__ import annotations

import copy
import os
from collections.abc import Sequence

from omegaconf import DictConfig, OmegaConf

from aligndetr.config.nodes import TARGET
from aligndetr.errors import ConfigError

EVALUATED = ("train", "dataloader", "model")
TRAINED = (*EVALUATED, "optimizer", "lr_multiplier")
CALLED = ("model", "optimizer", "lr_multiplier")


def checked_copy(config: DictConfig, names: Sequence[str]) -> DictConfig:
    """A copy of a config, for a run to write in; see `check_sections`.

    Raises:
        ConfigError: besides, there is no folder to write to.
    """
    check_sections(config, names)
    folder = OmegaConf.select(config, "train.output_dir")
    if not folder or not isinstance(folder, str | os.PathLike):
        raise ConfigError(f"train.output_dir is {folder!r}; it must name a folder")
    return copy.deepcopy(config)


def check_sections(config: DictConfig, names: Sequence[str]) -> None:
    """See that a config has what is read without asking.

    Raises:
        ConfigError: a section is missing or a value, or does not say what is to be called.
    """
    for name in names:
        section = config.get(name)
        if not isinstance(section, DictConfig):
            what = "is missing" if section is None else f"is {str(section)[:40]!r}"
            raise ConfigError(
                f"the config's section {name} {what}; it must be a mapping, as in the configs that "
                "`aligndetr configs` lists"
            )
        if name in CALLED and TARGET not in section:
            raise ConfigError(f"the config's section {name} has no {TARGET}: what is it to be?")
