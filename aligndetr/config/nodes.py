"""Config nodes: how Python values become OmegaConf containers and are looked at unresolved."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from omegaconf import DictConfig, ListConfig, OmegaConf

TARGET, RECURSIVE = "_target_", "_recursive_"


def to_node(value: object) -> DictConfig | ListConfig:
    """Make a config node of a dict or list; nodes are returned as they are.

    Tuples inside become lists: YAML has no tuples, and a saved config must reload to the same.
    """
    if isinstance(value, (DictConfig, ListConfig)):
        return value
    if isinstance(value, Mapping):
        return DictConfig(_without_tuples(value), flags={"allow_objects": True})
    return ListConfig(_without_tuples(value), flags={"allow_objects": True})


def is_mapping(value: object) -> bool:
    """Whether a value is a dict or a config node that acts as one."""
    return isinstance(value, Mapping)


def is_sequence(value: object) -> bool:
    """Whether a value is a list, a tuple or a config node that acts as one."""
    return isinstance(value, Sequence) and not isinstance(value, (str, bytes))


def is_interpolation(value: object) -> bool:
    """Whether a raw value refers to another, as "${model.num_classes}" does."""
    return isinstance(value, str) and "${" in value


def is_lazy_call(value: object) -> bool:
    """Whether a node stands for a call: a mapping with `_target_`."""
    return is_mapping(value) and TARGET in value


def raw(container: DictConfig | ListConfig, key: object) -> object:
    """One entry as it is written: an interpolation as its text, a missing value as "???"."""
    node = container._get_node(key)
    if OmegaConf.is_interpolation(container, key) or OmegaConf.is_missing(container, key):
        return node._value()
    if isinstance(node, (DictConfig, ListConfig)) or is_sequence(node):
        return None if node._is_none() else node
    return node._value()


def entries(container: DictConfig | ListConfig) -> Iterator[tuple[object, object]]:
    """Pairs (key or index, raw value) of a container."""
    keys = list(container.keys()) if is_mapping(container) else range(len(container))
    for key in keys:
        yield key, raw(container, key)


def leaves(container: DictConfig | ListConfig, prefix: str = "") -> Iterator[tuple[str, object]]:
    """Pairs (dotted path, raw value) of everything that is not a filled container."""
    for key, value in entries(container):
        path = f"{prefix}{key}"
        if (is_mapping(value) or is_sequence(value)) and len(value):
            yield from leaves(value, f"{path}.")
        else:
            yield path, value


def lists_for_tuples(container: DictConfig | ListConfig) -> DictConfig | ListConfig:
    """Replace tuples, which newer omegaconf versions keep as such, by lists, in place."""
    for key, value in entries(container):
        if is_sequence(value) and not isinstance(value, ListConfig):
            items = [item for _, item in entries(value)]
            value = ListConfig(items, key=key, parent=container, flags={"allow_objects": True})
            container._content[key] = value
        if is_mapping(value) or is_sequence(value):
            lists_for_tuples(value)
    return container


def _without_tuples(value: object) -> object:
    if isinstance(value, Mapping) and not isinstance(value, DictConfig):
        return {key: _without_tuples(item) for key, item in value.items()}
    if type(value) in (list, tuple):
        return [_without_tuples(item) for item in value]
    return value
