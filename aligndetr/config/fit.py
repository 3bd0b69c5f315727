"""Whether a new value may take the place of an old one."""

from __future__ import annotations

import math
from numbers import Integral, Real

from aligndetr.config.dotted import locate
from aligndetr.config.nodes import is_interpolation, is_mapping, is_sequence
from aligndetr.errors import ConfigError


def fitted(old: object, new: object, path: str) -> object:
    """Check a new value against the old one and give it the old one's type.

    None fits anywhere and anything fits where None was. An integral float fits an integer, an
    integer fits a float. The items of a list must fit those it had. Where a function or class
    was, an import path fits.

    Args:
        old: the value in the config, resolved.
        new: the value of the override.
        path: the key, for the message.

    Returns:
        the new value; 1e5 has become 100000 where an integer was.

    Raises:
        ConfigError: the types differ.
    """
    if new is None or old is None:
        return new
    expected = _kind(old)
    if expected == "an import path":
        return _located(new, path) if isinstance(new, str) else _refuse(path, old, new)
    if expected == "an integer" and isinstance(new, float) and _integral(new):
        return int(new)
    if expected == "a number" and type(new) is int:
        return float(new)
    if _kind(new) != expected:
        _refuse(path, old, new)
    return _fitted_items(list(old), list(new), path) if expected == "a list" else new


def _located(name: str, path: str) -> object:
    try:
        return locate(name)
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from None


def _integral(value: float) -> bool:
    return math.isfinite(value) and value == int(value)


def _kind(value: object) -> str:
    if isinstance(value, bool):
        return "true or false"
    if isinstance(value, Integral):
        return "an integer"
    if isinstance(value, Real):
        return "a number"
    if isinstance(value, (str, bytes)):
        return "text"
    if is_mapping(value):
        return "a section"
    return "a list" if is_sequence(value) else "an import path"


def _fitted_items(old: list, new: list, path: str) -> list:
    """A list whose items are all of one kind stays so: each new item must fit the first one."""
    known = [item for item in old if item is not None]
    kinds = {_kind(item) for item in known}
    if kinds == {"an integer", "a number"}:
        known = [item for item in known if isinstance(item, float)]
    elif len(kinds) != 1:
        return new
    return [
        item if is_interpolation(item) else fitted(known[0], item, f"{path}.{index}")
        for index, item in enumerate(new)
    ]


def _refuse(path: str, old: object, new: object) -> object:
    expected = _kind(old)
    remedy = ""
    if expected == "text" and not (is_mapping(new) or is_sequence(new)):
        remedy = f"; quote it: {path}='\"{new}\"'"
    elif expected == "true or false":
        remedy = "; write true or false"
    elif expected == "a list":
        remedy = "; write [a,b]"
    elif expected == "a section":
        remedy = "; write {key: value} or override its keys"
    raise ConfigError(f"{path}: needs {expected} like {_short(old)}, got {_short(new)}{remedy}")


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 40 else f"{text[:37]}..."
