"""The config in a checkpoint: to use it alone, or to compare it with another one."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator, Mapping
from typing import Any

from omegaconf import DictConfig, OmegaConf

from aligndetr.config import LazyConfig
from aligndetr.config.find_file import resolve_config
from aligndetr.config.moved import MOVED
from aligndetr.config.nodes import to_plain
from aligndetr.config.yaml_file import parse_yaml
from aligndetr.engine.initial_weights import read_stored
from aligndetr.errors import CheckpointError, ConfigError
from aligndetr.interop import zoo

logger = logging.getLogger(__name__)

_ONLY_TRAINED = ("criterion", "denoiser")  # parts of a model that detect nothing
_MOST = 3


def stored_config(path: str | os.PathLike, trust_config: bool = False) -> DictConfig:
    """The config of the training that wrote a checkpoint, or the one that a zoo's model fits.

    Args:
        path: of the checkpoint, or what else may stand for one.
        trust_config: let it call whatever it names; else what comes as data may.

    Raises:
        CheckpointError: the file cannot be read, or holds no config.
        ConfigError: its config cannot be read, or does more than it may.
    """
    if zoo.is_zoo_name(str(path)):
        model = zoo.find_model(str(path))
        config = LazyConfig.load(resolve_config(model.config))
        return LazyConfig.apply_overrides(config, list(model.overrides))
    text = read_stored(path).get("config")
    if not isinstance(text, str):
        raise CheckpointError(f"{path} holds no config: name the one that describes its model")
    return LazyConfig.from_text(text, f"the config in {path}", trust_config)


def stored_value(path: str | os.PathLike, key: str) -> Any:
    """What the config in a checkpoint has at a key; None if there is nothing."""
    try:
        config = parse_yaml(read_stored(path)["config"], path)
        return OmegaConf.select(config, key, throw_on_resolution_failure=False)
    except (KeyError, TypeError, AttributeError, CheckpointError, ConfigError):
        return None


def warn_of_differences(
    config: DictConfig, stored: Mapping[str, Any], path: str | os.PathLike | None
) -> None:
    """Say where a config differs from a checkpoint's in what detection depends on.

    Args:
        config: that is used.
        stored: content of the checkpoint, see `read_stored`.
        path: of the checkpoint, named in the warning.
    """
    try:
        other = parse_yaml(stored["config"], path or "the checkpoint")
    except (KeyError, TypeError, AttributeError, ConfigError):
        return  # it holds none: another toolbox, or weights alone
    differing = _differing(config, other)
    if not differing:
        return
    more = f", and {len(differing) - _MOST} more differ" if len(differing) > _MOST else ""
    logger.warning(
        "%s was trained with another config: %s%s; without CONFIG, the checkpoint's own counts",
        path,
        ", ".join(differing[:_MOST]),
        more,
    )


def _differing(config: DictConfig, other: DictConfig) -> list[str]:
    """`KEY is A here and B there`, of the keys that detection depends on and both have.

    What only one has may be an argument of another version, or makes another architecture.
    """
    here, there = _detecting(config, True), _detecting(other, True)
    # what is copied from elsewhere by both differs there, which says more
    text_here, text_there = _detecting(config, False), _detecting(other, False)
    return [
        f"{key} is {here[key]!r} here and {there[key]!r} there"
        for key in there
        if key in here and here[key] != there[key] and text_here[key] != text_there[key]
    ]


def _detecting(config: DictConfig, resolve: bool) -> dict[str, Any]:
    """Values by key: of the model, but for its classes, and of how it is shown images."""
    found: dict[str, Any] = {}
    for path in ("dataloader.image_size", "model", "dataloader.test.mapper"):
        section = OmegaConf.select(config, path, default={})
        if resolve and OmegaConf.is_config(section):
            section = OmegaConf.to_container(section, resolve=True)
        found |= dict(_leaves(to_plain(section), path))
    passed = tuple(f"model.{part}" for part in _ONLY_TRAINED)
    return {
        key: value
        for key, value in found.items()
        if not key.startswith(passed) and not key.endswith(".num_classes")
    }


def _leaves(value: Any, path: str) -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict | list):
        for key, inner in value.items() if isinstance(value, dict) else enumerate(value):
            yield from _leaves(inner, f"{path}.{key}")
    else:
        # classes and functions move between modules, their names stay
        is_ours = isinstance(value, str) and value.startswith("aligndetr.")
        yield path, MOVED.get(value, value).rpartition(".")[2] if is_ours else value
