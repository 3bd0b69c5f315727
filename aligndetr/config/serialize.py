"""Config nodes as plain data that YAML can hold, and what to do with what it cannot."""

from __future__ import annotations

import ast
import inspect
import linecache
import os
import textwrap
import warnings
from collections.abc import Callable, Mapping
from enum import Enum
from numbers import Integral, Real

from omegaconf import OmegaConf

from aligndetr.config.dotted import import_path, locate
from aligndetr.config.nodes import TARGET, entries, is_mapping, is_sequence
from aligndetr.errors import ConfigError

SOURCE = "_source_"
# numpy scalars and subclasses become the plain type; order matters, since bool is Integral
_SCALARS = {bool: bool, Integral: int, Real: float, str: str, bytes: bytes}
_LOCATE = "aligndetr.config.locate"


class ConfigWarning(UserWarning):
    """Something in a config cannot be kept as it was."""


def to_plain(value: object) -> object:
    """Turn a node into dicts, lists, text, numbers, booleans and None.

    Interpolations stay as their text. A `_target_` becomes its import path. Any other function or
    class becomes the call `{_target_: aligndetr.config.locate, name: its import path}`. What has
    no import path (lambdas, functions of a config file, instances) becomes `{_source_: its text}`.
    Tuples become lists. A dataclass becomes the call that builds it.
    """
    if is_mapping(value):
        return _plain_mapping(value)
    if is_sequence(value):
        pairs = entries(value) if hasattr(value, "_get_node") else enumerate(value)
        return [to_plain(item) for _, item in pairs]
    if value is None:
        return None
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    for kind, plain in _SCALARS.items():
        if isinstance(value, kind) and not isinstance(value, Enum):
            return plain(value)
    path = import_path(value)
    if path is None:
        return {SOURCE: source_text(value)}
    return {TARGET: _LOCATE, "name": path}


def _plain_mapping(node: Mapping) -> dict:
    pairs = list(entries(node)) if hasattr(node, "_get_node") else list(node.items())
    plain: dict = {}
    kind = _dataclass_of(node)
    if kind is not None:
        plain[TARGET] = import_path(kind) or {SOURCE: source_text(kind)}
    for key, value in pairs:
        if key == TARGET and not isinstance(value, str) and not is_mapping(value):
            plain[key] = import_path(value) or {SOURCE: source_text(value)}
        else:
            plain[key] = to_plain(value)
    return plain


def _dataclass_of(node: Mapping) -> type | None:
    kind = OmegaConf.get_type(node) if hasattr(node, "_get_node") else None
    return None if kind is dict else kind


def source_text(value: object) -> str:
    """The text of a lambda or function as its file has it, else its repr."""
    code = getattr(value, "__code__", None)
    if code is None:
        return repr(value)
    if code.co_name != "<lambda>":
        try:
            return textwrap.dedent(inspect.getsource(code)).strip()
        except (OSError, TypeError):
            return repr(value)
    text = "".join(linecache.getlines(code.co_filename))
    try:
        found = [node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Lambda)]
    except SyntaxError:
        return repr(value)
    sources = [
        ast.get_source_segment(text, node) for node in found if node.lineno == code.co_firstlineno
    ]
    same = [source for source in sources if source and _compiles_to(source, code)]
    return (same or [source for source in sources if source] or [repr(value)])[0]


def _compiles_to(source: str, code) -> bool:
    lambdas = compile(f"({source})", "<lambda>", "eval").co_consts
    compared = ("co_code", "co_consts", "co_names")
    return any(
        all(getattr(other, name, None) == getattr(code, name) for name in compared)
        for other in lambdas
    )


def revive(data: object, where: str) -> object:
    """Undo `to_plain` where YAML could not hold a value itself.

    Functions and classes saved by their import path come back. What was saved as source text is
    lost: an argument that the target has a default for is left out, others become None, with a
    `ConfigWarning` for each.

    Args:
        data: plain data as read from YAML.
        where: the file, for the warnings.
    """
    return _revive(data, where, "")


def _revive(data: object, where: str, path: str) -> object:
    if isinstance(data, list):
        return [_revive(item, where, _join(path, index)) for index, item in enumerate(data)]
    if not isinstance(data, dict):
        return data
    if _is_source(data):
        _warn_lost(data, where, path, "None")
        return None
    if data.get(TARGET) == _LOCATE and data.keys() == {TARGET, "name"}:
        return _located(data)
    kept = {}
    for key, item in data.items():
        if _is_source(item) and _has_default(data.get(TARGET), key):
            _warn_lost(item, where, _join(path, key), f"the default of {data[TARGET]}")
        else:
            kept[key] = _revive(item, where, _join(path, key))
    return kept


def _located(call: dict) -> object:
    """The object, or the call itself if that cannot be imported now (an error once it is used)."""
    try:
        return locate(call["name"])
    except ConfigError:
        return call


def _join(path: str, key: object) -> str:
    return f"{path}.{key}" if path else str(key)


def _is_source(item: object) -> bool:
    return isinstance(item, dict) and (SOURCE in item or _is_source(item.get(TARGET)))


def _has_default(target: object, name: str) -> bool:
    try:
        called: Callable | None = locate(target) if isinstance(target, str) else None
        parameter = inspect.signature(called).parameters.get(name)
    except (ConfigError, TypeError, ValueError):
        return False
    return parameter is not None and parameter.default is not inspect.Parameter.empty


def _warn_lost(item: dict, where: str, path: str, instead: str) -> None:
    text = item.get(SOURCE) or item[TARGET][SOURCE]
    warnings.warn(
        f"{where}: {path} was `{text}`, which cannot be rebuilt from text; {instead} is used"
        " instead. Name an importable function in the config, or override it.",
        ConfigWarning,
        stacklevel=2,
    )
