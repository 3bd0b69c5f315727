"""Strict overrides: `key=value` changes, `+key=value` adds, `~key` deletes."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from omegaconf import DictConfig, ListConfig, OmegaConf

from aligndetr.config.fit import fitted
from aligndetr.config.nodes import (
    TARGET,
    entries,
    is_interpolation,
    is_lazy_call,
    is_mapping,
    is_sequence,
    lists_for_tuples,
    raw,
)
from aligndetr.config.suggest import refuse_unknown_argument, similar_keys, unknown_key
from aligndetr.config.value_parser import parse_value
from aligndetr.errors import ConfigError

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
        ConfigError: the text is none of these.
    """
    if text.startswith("~"):
        if "=" in text:
            raise ConfigError(f"{text}: a deletion has no value; write {text.partition('=')[0]}")
        return Override(text, "delete", _checked_key(text[1:], text))
    key, equals, value = text.partition("=")
    if not equals:
        raise ConfigError(f"{text!r} is not an override; write key=value, +key=value or ~key")
    name = key.lstrip("+")
    if len(key) - len(name) > 2:
        raise ConfigError(f"{text}: write one + to add a key")
    path = _checked_key(name, text)
    try:
        parsed = parse_value(value)
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from None
    return Override(text, "add" if key != name else "set", path, parsed)


def _checked_key(key: str, text: str) -> str:
    if _KEY.fullmatch(key):
        return key
    indexed = re.sub(r"\[(\d+)\]", r".\1", key)
    if indexed != key and _KEY.fullmatch(indexed):
        raise ConfigError(f"{text}: a list item is written {indexed}, not {key}")
    raise ConfigError(f"{text!r}: {key!r} is not a key; write section.name=value without spaces")


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
        ConfigError: an unknown key (with the nearest existing ones), a value of another type, or
            an interpolation elsewhere that no longer resolves.
    """
    lists_for_tuples(config)
    broken_before = set(_broken(config))
    for override in map(parse_override, overrides):
        _apply(config, override)
    for path, text in _broken(config):
        if (path, text) not in broken_before:
            raise ConfigError(f"{path}: {text!r} does not resolve after the overrides")
    return config


def _apply(config: DictConfig, override: Override) -> None:
    *parents, name = override.path.split(".")
    container, done = config, []
    for part in parents:
        key = _existing_key(container, part)
        if key is None and override.action == "add" and is_mapping(container):
            container[part] = {}
            key = part
        elif key is None:
            raise unknown_key(config, done, part, [*parents[len(done) + 1 :], name])
        done.append(part)
        container = _enter(config, container, key, ".".join(done), override)
    if override.action == "delete":
        key = _existing_key(container, name)
        if key is None:
            raise unknown_key(config, done, name, [])
        del container[key]
    else:
        _assign(config, container, name, override.value, done, override.action == "add")


def _assign(config, container, name, value: object, done: list[str], add: bool) -> None:
    """Put a value into a container, merging dicts and checking types."""
    key, path = _existing_key(container, name), ".".join([*done, str(name)])
    if key is None:
        if not add:
            raise unknown_key(config, done, str(name), [])
        _append(config, container, name, value, done)
        return
    old = _resolved(container, key)
    if is_mapping(old) and is_mapping(value) and TARGET not in value:
        if OmegaConf.is_interpolation(container, key):
            raise ConfigError(_use_instead(container, key, path))
        _merge(config, old, value, [*done, str(name)], add)
        return
    if key == TARGET and isinstance(value, str):
        fitted(len, value, path)  # importable?
        container[key] = value
        return
    if is_interpolation(value):
        container[key] = value
        fitted(old, _resolved(container, key), path)
    else:
        container[key] = fitted(old, value, path)


def _merge(config, section, values: Mapping, done: list[str], add: bool) -> None:
    """Set a dict value's keys; a new one may join a plain section, unless it looks misspelt."""
    for name, value in values.items():
        new = _existing_key(section, name) is None
        free = new and not is_lazy_call(section) and not similar_keys(section, str(name))
        _assign(config, section, name, value, done, add or free)


def _append(config, container, name, value: object, done: list[str]) -> None:
    if is_mapping(container):
        refuse_unknown_argument(container, str(name), ".".join(done))
        container[name] = value
    elif str(name) == str(len(container)):
        container.append(value)
    else:
        raise unknown_key(config, done, str(name), [])


def _existing_key(container: DictConfig | ListConfig, part: object) -> object | None:
    """The container's own key or index for a part of a path; None if there is none."""
    if is_mapping(container):
        if part in container.keys():  # noqa: SIM118  `in container` is False for None values
            return part
        same = [key for key in container if str(key) == str(part)]
        return same[0] if same else None
    if str(part).isdigit() and int(part) < len(container):
        return int(part)
    return None


def _enter(config, container, key, path: str, override: Override) -> DictConfig | ListConfig:
    if OmegaConf.is_interpolation(container, key):
        raise ConfigError(f"{override.text}: {_use_instead(container, key, path)}")
    found = raw(container, key)
    if found is None and override.action == "add":
        container[key] = {}
        return container[key]
    if not (is_mapping(found) or is_sequence(found)):
        raise ConfigError(f"{override.path}: {path} is {found!r}, not a section, and has no keys")
    return found


def _use_instead(container, key, path: str) -> str:
    source = container._get_node(key)._dereference_node()
    return f"{path} is {raw(container, key)!r}; override {source._get_full_key(None)} instead"


def _resolved(container: DictConfig | ListConfig, key: object) -> object:
    """A value with its interpolation followed; None where that leads nowhere."""
    try:
        return container[key]
    except Exception:  # omegaconf has several classes for it
        return None


def _broken(container: DictConfig | ListConfig, prefix: str = ""):
    """Pairs (path, text) of interpolations that do not resolve."""
    for key, value in entries(container):
        path = f"{prefix}{key}"
        if OmegaConf.is_interpolation(container, key):
            try:
                container[key]
            except Exception:  # omegaconf has several classes for it
                yield path, str(value)
        elif isinstance(value, Mapping) or is_sequence(value):
            yield from _broken(value, f"{path}.")
