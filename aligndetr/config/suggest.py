"""Errors about unknown keys, with what the user probably meant."""

from __future__ import annotations

import difflib
from collections.abc import Callable

from omegaconf import DictConfig, ListConfig

from aligndetr.config.dotted import import_path, locate
from aligndetr.config.instantiate import parameter_names
from aligndetr.config.nodes import TARGET, entries, is_lazy_call, is_mapping, is_sequence, raw
from aligndetr.errors import ConfigError


def unknown_key(config: DictConfig, done: list[str], part: str, rest: list[str]) -> ConfigError:
    """The error for a path that is not in a config.

    Args:
        config: the whole config.
        done: the parts of the path that exist.
        part: the first part that does not.
        rest: what follows it.
    """
    container = config
    for name in done:
        container = raw(container, int(name) if is_sequence(container) else name)
    parent = ".".join(done)
    path = ".".join([*done, part, *rest])
    if is_sequence(container):
        size = len(container)
        return ConfigError(f"{path}: no such item; {parent} has {size}: +{parent}.{size}=... adds")
    if not rest and part in (_target_parameters(container) or []):
        target = _target_name(container)
        return ConfigError(f"{path}: not in the config, but {target} takes it; write +{path}=...")
    near = _near_paths(config, container, done, part, rest)
    if near:
        return ConfigError(f"{path}: no such key; did you mean {' or '.join(near)}?")
    keys = ", ".join(str(key) for key in container)
    where = f"{parent} has" if parent else "there are"
    return ConfigError(f"{path}: no such key; {where}: {keys}. +{path}=... adds it")


def refuse_unknown_argument(container: DictConfig, name: str, parent: str) -> None:
    """Raise if `name` is added to a call whose target does not take it."""
    names = _target_parameters(container)
    if names is None or name in names or name.startswith("_"):
        return
    close = difflib.get_close_matches(name, names, n=1)
    hint = f"did you mean {parent}.{close[0]}?" if close else f"it takes {', '.join(names)}"
    raise ConfigError(f"{parent}.{name}: {_target_name(container)} has no such argument; {hint}")


def similar_keys(container: DictConfig, name: str) -> list[str]:
    """Up to three keys of a section that `name` may be a misspelling of."""
    return difflib.get_close_matches(name, map(str, container), n=3, cutoff=0.6)


def _near_paths(config, container, done: list[str], part: str, rest: list[str]) -> list[str]:
    """Existing paths like the one asked for: siblings first, then the same name elsewhere."""
    siblings = {str(key): ".".join([*done, str(key), *rest]) for key in container}
    close = similar_keys(container, part)
    if close:
        return [siblings[name] for name in close]
    paths = list(_all_paths(config))
    asked = ".".join([*done, part, *rest])
    same = [path for path in paths if path.rpartition(".")[2] == asked.rpartition(".")[2]]
    if same:
        return difflib.get_close_matches(asked, same, n=3, cutoff=0.0)
    return difflib.get_close_matches(asked, paths, n=3, cutoff=0.75)


def _all_paths(container: DictConfig | ListConfig, prefix: str = ""):
    for key, value in entries(container):
        yield f"{prefix}{key}"
        if is_mapping(value) or is_sequence(value):
            yield from _all_paths(value, f"{prefix}{key}.")


def _target(container: DictConfig | ListConfig) -> Callable | None:
    if not is_lazy_call(container):
        return None
    target = raw(container, TARGET)
    try:
        return locate(target) if isinstance(target, str) else target
    except ConfigError:
        return None


def _target_parameters(container: DictConfig | ListConfig) -> list[str] | None:
    target = _target(container)
    return parameter_names(target) if callable(target) else None


def _target_name(container: DictConfig) -> str:
    return import_path(_target(container)) or str(raw(container, TARGET))
