"""Strict overrides: `key=value` changes, `+key=value` adds, `~key` deletes."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from omegaconf import DictConfig, ListConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from aligndetr.config.import_names import import_path, locate
from aligndetr.config.instantiate import parameter_names
from aligndetr.config.nodes import (
    MAX_DEPTH,
    TARGET,
    Node,
    entries,
    is_interpolation,
    is_lazy_call,
    is_lost,
    is_mapping,
    is_sequence,
    lists_for_tuples,
    raw,
)
from aligndetr.config.override_values import fitted, parse_value
from aligndetr.config.trust import may_call
from aligndetr.errors import ConfigError, ConfigKeyError, ConfigValueError

_KEY = re.compile(r"[^\s=.\[\]{}]+(\.[^\s=.\[\]{}]+)*")


@dataclass(frozen=True)
class Override:
    """One parsed override: what to do ("set", "add" or "delete"), where, and the value."""

    text: str
    action: str
    path: str
    value: object = None


def parse_override(text: str) -> Override:
    """Parse `key=value`, `+key=value` or `~key`; only the first `=` separates.

    Raises:
        ConfigValueError: the text is none of these.
    """
    key, equals, value = text.partition("=")
    if key.startswith("~"):
        if equals:
            raise ConfigValueError(f"{text}: a deletion has no value; write {key}")
        return Override(text, "delete", _checked_key(key[1:], text))
    if not equals:
        raise ConfigValueError(f"{text!r} is not an override; write key=value, +key=value or ~key")
    name = key.lstrip("+")
    if len(key) - len(name) > 2:
        raise ConfigValueError(f"{text}: write one + to add a key")
    path = _checked_key(name, text)
    try:
        parsed = parse_value(value)
    except ConfigError as error:
        raise ConfigValueError(f"{path}: {error}") from None
    return Override(text, "add" if key != name else "set", path, parsed)


def _checked_key(key: str, text: str) -> str:
    if key.count(".") >= MAX_DEPTH:
        raise ConfigValueError(f"{text[:80]!r}: a key has at most {MAX_DEPTH} parts")
    if _KEY.fullmatch(key):
        return key
    indexed = re.sub(r"\[(\d+)\]", r".\1", key)
    if indexed != key and _KEY.fullmatch(indexed):
        raise ConfigValueError(f"{text}: a list item is written {indexed}, not {key}")
    hint = "write section.name=value without spaces"
    raise ConfigValueError(f"{text!r}: {key!r} is not a key; {hint}")


def apply_overrides(config: DictConfig, overrides: Sequence[str]) -> DictConfig:
    """Apply overrides from left to right.

    Args:
        config: a config; changed in place.
        overrides: texts as `parse_override` reads them. A dict value changes the keys it names,
            keeps the others, and may add keys to a plain section (not to a call, nor a key that
            looks like a misspelt one); with `_target_` in it, it replaces the node.

    Returns:
        `config`.

    Raises:
        ConfigKeyError: an unknown key (with the nearest existing ones).
        ConfigValueError: a text that is no override.
        ConfigError: a value of another type, or an interpolation elsewhere that no longer resolves.
    """
    lists_for_tuples(config)
    broken_before = set(_broken(config))
    for override in map(parse_override, overrides):
        try:
            _apply(config, override)
        except OmegaConfBaseException as error:  # "${" without an end, None as a key
            reason = str(error).splitlines()[0]
            raise ConfigValueError(f"{override.text}: {reason}") from error
    for path, text in _broken(config):
        if (path, text) not in broken_before:
            raise ConfigError(f"{path}: {text!r} does not resolve after the overrides")
    return config


def _apply(config: DictConfig, override: Override) -> None:
    *parents, name = override.path.split(".")
    container: Node = config
    done, adds = [], override.action == "add"
    for index, part in enumerate(parents):
        key = _existing_key(container, part)
        if key is None:
            if not (adds and isinstance(container, DictConfig)):
                raise _unknown_key(config, container, done, [*parents[index:], name])
            _refuse_unknown_argument(container, part, ".".join(done))
            container[part], key = {}, part
        done.append(part)
        container = _enter(container, key, ".".join(done), override)
    if override.action != "delete":
        _assign(config, container, name, override.value, done, adds)
        return
    key = _existing_key(container, name)
    if key is None:
        raise _unknown_key(config, container, done, [name])
    del container[key]


def _enter(container: Node, key: Any, path: str, override: Override) -> Node:
    if OmegaConf.is_interpolation(container, key):
        raise ConfigError(f"{override.text}: {_use_instead(container, key, path)}")
    found = raw(container, key)
    if found is None and override.action == "add":
        container[key] = {}
        return container[key]
    if not isinstance(found, (DictConfig, ListConfig)):
        raise ConfigKeyError(
            f"{override.path}: {path} is {found!r}, not a section, and has no keys"
        )
    return found


def _assign(
    config: DictConfig, container: Node, name, value: object, done: list[str], add: bool
) -> None:
    """Put a value into a container, merging dicts and checking types."""
    key, path = _existing_key(container, name), ".".join([*done, str(name)])
    if key is None:
        if not add:
            raise _unknown_key(config, container, done, [str(name)])
        _append(config, container, name, value, done)
        return
    old = _resolved(container, key)
    if isinstance(old, DictConfig) and is_mapping(value) and TARGET not in value:
        if OmegaConf.is_interpolation(container, key):
            raise ConfigError(_use_instead(container, key, path))
        _merge(config, old, value, [*done, str(name)], add)
    elif key == TARGET and isinstance(value, str):
        fitted(len, value, path)  # importable?
        container[key] = value
    elif is_interpolation(value):
        container[key] = value
        fitted(old, _resolved(container, key), path)
    else:
        container[key] = fitted(old, value, path)


def _merge(config: DictConfig, section: Node, values: Mapping, done: list[str], add: bool) -> None:
    """Set a dict value's keys; a new one may join a plain section, unless it looks misspelt."""
    for name, value in values.items():
        new = _existing_key(section, name) is None
        free = new and not is_lazy_call(section) and not _similar_keys(section, str(name))
        _assign(config, section, name, value, done, add or free)


def _append(config: DictConfig, container: Node, name, value: object, done: list[str]) -> None:
    if isinstance(container, DictConfig):
        _refuse_unknown_argument(container, str(name), ".".join(done))
        container[name] = value
    elif str(name) == str(len(container)):
        container.append(value)
    else:
        raise _unknown_key(config, container, done, [str(name)])


def _existing_key(container: Node, part: object) -> Any:
    """The container's own key or index for a part of a path; None if there is none."""
    keys = container.keys() if is_mapping(container) else range(len(container))
    if is_mapping(container) and part in keys:
        return part
    return next((key for key in keys if str(key) == str(part)), None)


def _use_instead(container: Any, key: Any, path: str) -> str:
    source = container._get_node(key)._dereference_node()
    return f"{path} is {raw(container, key)!r}; override {source._get_full_key(None)} instead"


def _resolved(container: Node, key: Any) -> Any:
    """A value with its interpolation followed; None where that leads nowhere, or it was lost."""
    try:
        value = container[key]
    except Exception:  # omegaconf has several classes for it
        return None
    return None if is_lost(value) else value


def _broken(container: Mapping | Sequence, prefix: str = "") -> Iterator[tuple[str, str]]:
    """Pairs (path, text) of interpolations that do not resolve."""
    for key, value in entries(container):
        path = f"{prefix}{key}"
        if OmegaConf.is_interpolation(container, key):
            try:
                container[key]
            except Exception:  # omegaconf has several classes for it
                yield path, str(value)
        elif is_mapping(value) or is_sequence(value):
            yield from _broken(value, f"{path}.")


def _unknown_key(
    config: DictConfig, container: Node, done: list[str], rest: list[str]
) -> ConfigKeyError:
    """What to say about a path of which `done` leads to a container that lacks `rest`."""
    parent, path = ".".join(done), ".".join([*done, *rest])
    if is_sequence(container):
        adds = f"+{parent}.{len(container)}=... adds"
        return ConfigKeyError(f"{path}: no such item; {parent} has {len(container)}: {adds}")
    if len(rest) == 1 and rest[0] in (_arguments(container) or []):
        takes = f"{_target_name(container)} takes it; write +{path}=..."
        return ConfigKeyError(f"{path}: not in the config, but {takes}")
    near = _near_paths(config, container, done, rest)
    if near:
        return ConfigKeyError(f"{path}: no such key; did you mean {' or '.join(near)}?")
    where = f"{parent} has" if parent else "there are"
    keys = ", ".join(str(key) for key in container)
    return ConfigKeyError(f"{path}: no such key; {where}: {keys}. +{path}=... adds it")


def _near_paths(config: DictConfig, container: Node, done: list[str], rest: list[str]) -> list[str]:
    """Existing paths like the one asked for: siblings first, then the same name elsewhere."""
    close = _similar_keys(container, rest[0])
    if close:
        return [".".join([*done, name, *rest[1:]]) for name in close]
    asked, paths = ".".join([*done, *rest]), list(_all_paths(config))
    same = [path for path in paths if path.rpartition(".")[2] == rest[-1]]
    return difflib.get_close_matches(asked, same or paths, n=3, cutoff=0.0 if same else 0.75)


def _all_paths(container: Mapping | Sequence, prefix: str = "") -> Iterator[str]:
    for key, value in entries(container):
        yield f"{prefix}{key}"
        if is_mapping(value) or is_sequence(value):
            yield from _all_paths(value, f"{prefix}{key}.")


def _similar_keys(container: Node, name: str) -> list[str]:
    """Up to three keys of a section that `name` may be a misspelling of."""
    return difflib.get_close_matches(name, map(str, container), n=3, cutoff=0.6)


def _refuse_unknown_argument(container: DictConfig, name: str, parent: str) -> None:
    """Raise if `name` is added to a call whose target does not take it."""
    names = _arguments(container)
    if names is None or name in names or name.startswith("_"):
        return
    close = difflib.get_close_matches(name, names, n=1)
    hint = f"did you mean {parent}.{close[0]}?" if close else f"it takes {', '.join(names)}"
    target = _target_name(container)
    raise ConfigKeyError(f"{parent}.{name}: {target} has no such argument; {hint}")


def _arguments(container: Node) -> list[str] | None:
    """What the callable of a call takes; None for other nodes, or if it is not known."""
    target = _target(container) if is_lazy_call(container) else None
    return parameter_names(target) if callable(target) else None


def _target(call: Mapping) -> Callable | None:
    target = raw(call, TARGET)
    try:
        if isinstance(target, str):  # a text may come from a yaml file, which imports nothing
            return locate(target) if may_call(target) else None
        return target
    except ConfigError:
        return None


def _target_name(call: Any) -> str:
    return import_path(_target(call)) or str(raw(call, TARGET))
