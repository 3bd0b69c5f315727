"""What two configs set differently."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from omegaconf import DictConfig

from aligndetr.config.moved import MOVED
from aligndetr.config.nodes import join, to_plain

ABSENT = object()
_OURS = "aligndetr."


@dataclass(frozen=True)
class Difference:
    """A key that has not the same value in both; `ABSENT` where there is no such key."""

    key: str
    first: object
    second: object


def differences(first: DictConfig, second: DictConfig) -> list[Difference]:
    """Keys whose values differ, in the order of `second`, then those that only `first` has.

    What is written as an interpolation is compared as such: the value that it takes from
    elsewhere differs there. A class or function that has moved between versions is the same one.
    """
    here, there = map(values_by_key, (first, second))
    return [
        Difference(key, here.get(key, ABSENT), there.get(key, ABSENT))
        for key in {**there, **here}
        if not _same(here.get(key, ABSENT), there.get(key, ABSENT))
    ]


def values_by_key(config: DictConfig) -> dict[str, object]:
    """The plain values of a config by their dotted keys; a list of plain values is one of them."""
    return dict(_values(to_plain(config), ""))


def _values(value: object, path: str) -> Iterator[tuple[str, object]]:
    """Keys and values; a list of plain values is one of them."""
    if isinstance(value, dict) and value:
        for key, inner in value.items():
            yield from _values(inner, join(path, key))
    elif isinstance(value, list) and any(isinstance(item, dict | list) for item in value):
        for index, item in enumerate(value):
            yield from _values(item, join(path, index))
    else:
        yield path, value


def _same(first: object, second: object) -> bool:
    """Whether they are equal; True is not 1, but 1 is 1.0."""
    if isinstance(first, str) and isinstance(second, str):
        return _own_name(first) == _own_name(second)
    return first == second and isinstance(first, bool) == isinstance(second, bool)


def _own_name(text: str) -> str:
    """A class or function of ours without its module, which may have changed; else the text."""
    return MOVED.get(text, text).rpartition(".")[2] if text.startswith(_OURS) else text
