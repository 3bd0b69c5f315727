"""A whole foreign config in our terms, section by section."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from aligndetr.errors import ConfigError
from aligndetr.interop.configs.data import translate_data
from aligndetr.interop.configs.model import translate_model
from aligndetr.interop.configs.names import is_foreign, renamed
from aligndetr.interop.configs.run import (
    translate_optimizer,
    translate_schedule,
    translate_train,
)
from aligndetr.interop.configs.section import Report, Section

SECTIONS = {
    "model": translate_model,
    "dataloader": translate_data,
    "optimizer": translate_optimizer,
    "lr_multiplier": translate_schedule,
    "train": translate_train,
}


def is_foreign_config(config: Any) -> bool:
    """Whether a target in it can only be built by a package that is not installed."""
    return any(map(is_foreign, _targets(_unresolved(config))))


def translate_config(config: DictConfig, source: Path) -> tuple[DictConfig, Report]:
    """Translate all sections of a file; a section that names nothing foreign stays as it is.

    Returns:
        A config in our layout, and what it does not take over.

    Raises:
        ConfigError: something has no counterpart, or means what our parts cannot do.
    """
    report = Report(str(source))
    theirs = [name for name in SECTIONS if name in config and _is_theirs(name, config[name])]
    if theirs and "train" in config:
        theirs.append("train")  # it names nothing, but its keys have their meaning
    result = DictConfig({}, flags={"allow_objects": True})
    for name in map(str, config):
        if name in theirs:
            values = _resolved(config[name])
            result[name] = SECTIONS[name](Section(values, name, report))
        elif is_foreign_config(config[name]):
            result[name] = renamed(_resolved(config[name]))
        else:
            result[name] = config._get_node(name)
    return result, report


def _is_theirs(name: str, section: Any) -> bool:
    """Whether a section is built by their functions; one of ours may still use some of theirs."""
    values = _unresolved(section)
    if not isinstance(values, dict):
        return False
    inner = [] if name == "model" else [v for v in values.values() if isinstance(v, dict)]
    return any(is_foreign(node.get("_target_")) for node in (values, *inner))


def _unresolved(section: Any) -> Any:
    return OmegaConf.to_container(section) if OmegaConf.is_config(section) else section


def _resolved(section: DictConfig) -> Any:
    try:
        return OmegaConf.to_container(section, resolve=True)
    except Exception as error:  # omegaconf has several classes for it
        raise ConfigError(f"an interpolation does not resolve: {error}") from error


def _targets(value: Any) -> Iterator[Any]:
    if isinstance(value, dict):
        yield value.get("_target_")
        value = value.values()
    elif not isinstance(value, (list, tuple)):
        return
    for item in value:
        yield from _targets(item)
