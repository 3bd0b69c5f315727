"""Config nodes: made of Python values, looked at unresolved, and turned into plain data."""

from __future__ import annotations

import ast
import inspect
import linecache
import os
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from enum import Enum
from numbers import Integral, Real
from types import CodeType
from typing import Any, TypeAlias, TypeGuard, overload

from omegaconf import DictConfig, ListConfig, OmegaConf

from aligndetr.config.import_names import import_path

Node: TypeAlias = DictConfig | ListConfig
TARGET, RECURSIVE, SOURCE = "_target_", "_recursive_", "_source_"
LOCATE = "aligndetr.config.locate"
MAX_DEPTH = 32  # of nested values, and of the parts of a key: omegaconf recurses into both
# numpy scalars and subclasses become the plain type; order matters, since bool is Integral
_SCALARS: dict[type, type] = {bool: bool, Integral: int, Real: float, str: str, bytes: bytes}


class ConfigWarning(UserWarning):
    """Something in a config cannot be kept as it was."""


@overload
def to_node(value: Mapping) -> DictConfig: ...


@overload
def to_node(value: Sequence) -> ListConfig: ...


def to_node(value: Mapping | Sequence) -> Node:
    """Make a config node of a dict or list; nodes are returned as they are.

    Tuples inside become lists: YAML has no tuples, and a saved config must reload to the same.
    """
    if isinstance(value, (DictConfig, ListConfig)):
        return value
    if isinstance(value, Mapping):
        return DictConfig(_without_tuples(value), flags={"allow_objects": True})
    return ListConfig(_without_tuples(value), flags={"allow_objects": True})


def _without_tuples(value: Any) -> Any:
    if isinstance(value, Mapping) and not isinstance(value, DictConfig):
        return {key: _without_tuples(item) for key, item in value.items()}
    if type(value) in (list, tuple):
        return [_without_tuples(item) for item in value]
    return value


def lists_for_tuples(container: Node) -> Node:
    """Replace tuples, which newer omegaconf versions keep as such, by lists, in place."""
    for key, value in entries(container):
        if is_sequence(value) and not isinstance(value, ListConfig):
            items = [item for _, item in entries(value)]
            value = ListConfig(items, key=key, parent=container, flags={"allow_objects": True})
            content: Any = container._content
            content[key] = value
        if isinstance(value, (DictConfig, ListConfig)):
            lists_for_tuples(value)
    return container


def is_mapping(value: object) -> TypeGuard[Mapping]:
    """Whether a value is a dict or a config node that acts as one."""
    return isinstance(value, Mapping)


def is_sequence(value: object) -> TypeGuard[Sequence]:
    """Whether a value is a list, a tuple or a config node that acts as one."""
    return isinstance(value, Sequence) and not isinstance(value, (str, bytes))


def is_interpolation(value: object) -> TypeGuard[str]:
    """Whether a raw value refers to another, as "${model.num_classes}" does."""
    return isinstance(value, str) and "${" in value


def is_lazy_call(value: object) -> TypeGuard[Mapping]:
    """Whether a node stands for a call: a mapping with `_target_`."""
    return is_mapping(value) and TARGET in value


def is_name(value: object) -> TypeGuard[Mapping]:
    """Whether a node stands for a function, a class or another object that has an import path."""
    return is_lazy_call(value) and set(value) == {TARGET, "name"} and raw(value, TARGET) == LOCATE


def is_lost(value: object) -> TypeGuard[Mapping]:
    """Whether a node stands for what could not be saved, or for a call of that."""
    return is_mapping(value) and (
        SOURCE in value or (TARGET in value and is_lost(raw(value, TARGET)))
    )


def raw(container: Mapping | Sequence, key: Any) -> Any:
    """One entry as it is written: an interpolation as its text, a missing value as "???"."""
    if not isinstance(container, (DictConfig, ListConfig)):
        return container[key]
    node: Any = container._get_node(key)
    if OmegaConf.is_interpolation(container, key) or OmegaConf.is_missing(container, key):
        return node._value()
    if _holds_entries(node):
        return None if node._is_none() else node
    return node._value()


def _holds_entries(value: object) -> bool:
    return is_mapping(value) or is_sequence(value)


def entries(container: Mapping | Sequence) -> Iterator[tuple[Any, Any]]:
    """Pairs (key or index, raw value) of a container."""
    keys = list(container.keys()) if is_mapping(container) else range(len(container))
    for key in keys:
        yield key, raw(container, key)


def leaves(container: Mapping | Sequence, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Pairs (dotted path, raw value) of everything that is not a filled container."""
    for key, value in entries(container):
        path = f"{prefix}{key}"
        if (is_mapping(value) or is_sequence(value)) and len(value):
            yield from leaves(value, f"{path}.")
        else:
            yield path, value


def join(path: str, key: object) -> str:
    """The dotted path of an entry."""
    return f"{path}.{key}" if path else str(key)


@overload
def to_plain(value: Mapping) -> dict[str, Any]: ...


@overload
def to_plain(value: object) -> Any: ...


def to_plain(value: object) -> Any:
    """Turn a node into dicts, lists, text, numbers, booleans and None.

    Interpolations stay as their text. A `_target_` becomes its import path. Any other function or
    class becomes the call `{_target_: aligndetr.config.locate, name: its import path}`. What has
    no import path (lambdas, functions of a config file, instances) becomes `{_source_: its text}`.
    Tuples become lists. A dataclass becomes the call that builds it.
    """
    if is_mapping(value):
        return _plain_mapping(value)
    if is_sequence(value):
        return [to_plain(item) for _, item in entries(value)]
    if value is None:
        return None
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    for kind, plain in _SCALARS.items():
        if isinstance(value, kind) and not isinstance(value, Enum):
            return plain(value)
    path = import_path(value)
    return {TARGET: LOCATE, "name": path} if path else {SOURCE: source_text(value)}


def _plain_mapping(node: Mapping) -> dict[str, Any]:
    kind = OmegaConf.get_type(node) if hasattr(node, "_get_node") else dict
    plain: dict[str, Any] = {} if kind in (dict, None) else {TARGET: _plain_target(kind)}
    for key, value in entries(node):
        plain[key] = _plain_target(value) if key == TARGET else to_plain(value)
    return plain


def _plain_target(target: object) -> object:
    if isinstance(target, str) or is_mapping(target):
        return to_plain(target)
    return import_path(target) or {SOURCE: source_text(target)}


def source_text(value: object) -> str:
    """The text of a lambda or function as its file has it, else its repr."""
    code = getattr(value, "__code__", None)
    if not isinstance(code, CodeType):
        return repr(value)
    try:
        if code.co_name != "<lambda>":
            return textwrap.dedent(inspect.getsource(code)).strip()
        text = "".join(linecache.getlines(code.co_filename))
        found = [node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Lambda)]
    except (OSError, SyntaxError, TypeError):
        return repr(value)
    here = [node for node in found if node.lineno == code.co_firstlineno]
    segments = (ast.get_source_segment(text, node) for node in here)
    sources = [source for source in segments if source is not None]
    same = [source for source in sources if _compiles_to(source, code)]
    return (same or sources or [repr(value)])[0]


def _compiles_to(source: str, code: CodeType) -> bool:
    compared = ("co_code", "co_consts", "co_names")
    return any(
        all(getattr(other, name, None) == getattr(code, name) for name in compared)
        for other in compile(f"({source})", "<lambda>", "eval").co_consts
    )
