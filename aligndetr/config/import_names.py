"""Import names: from a dotted name to the object and back.

`locate` is the only place where a name that stands in a config becomes an object.
"""

from __future__ import annotations

import importlib
import re
import sys
from enum import Enum
from itertools import accumulate
from typing import Any

from aligndetr.config.foreign import find_foreign_target, how_to_translate
from aligndetr.config.moved import MOVED
from aligndetr.errors import ConfigImportError

_DOTTED_NAME = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*")


def locate(name: str) -> Any:
    """Import the object that a dotted name such as `torch.optim.AdamW` stands for.

    Args:
        name: module path followed by one or more attributes, or a module path alone.

    Returns:
        the object; where nothing of that name is installed, what a registered dialect offers. Names
        that earlier versions saved stand for what they are called now.

    Raises:
        ConfigImportError: the name cannot be imported; the message says which part failed.
    """
    if not isinstance(name, str):
        raise ConfigImportError(f"cannot import {name!r}: a name is text")
    name = MOVED.get(name, name)
    try:
        return _import_dotted(name)
    except ConfigImportError:
        foreign = find_foreign_target(name)
        if foreign is None:
            raise
        return foreign


def _import_dotted(name: str) -> object:
    if not _DOTTED_NAME.fullmatch(name):
        raise ConfigImportError(f"cannot import {name!r}: not a dotted Python name")
    parts = name.split(".")
    for count in range(len(parts), 0, -1):
        module_name = ".".join(parts[:count])
        try:
            found: object = importlib.import_module(module_name)
        except Exception as error:
            missing = isinstance(error, ModuleNotFoundError) and error.name
            if missing and f"{module_name}.".startswith(f"{missing}."):
                continue  # this prefix is not a module; a shorter one may be
            reason = error if missing else f"{type(error).__name__}: {error}"
            raise ConfigImportError(f"cannot import {name!r}: {reason}") from error
        if count == len(parts) > 1:  # a function may carry the name of the module it lives in
            return getattr(sys.modules[module_name.rpartition(".")[0]], parts[-1], found)
        return _attribute(found, name, parts[:count], parts[count:])
    reason = f"no module named {parts[0]!r} is installed{how_to_translate(name)}"
    raise ConfigImportError(f"cannot import {name!r}: {reason}")


def _attribute(found: object, name: str, done: list[str], rest: list[str]) -> object:
    for attribute in rest:
        if not hasattr(found, attribute):
            owner = ".".join(done)
            raise ConfigImportError(f"cannot import {name!r}: {owner} has no {attribute!r}")
        found = getattr(found, attribute)
        done = [*done, attribute]
    return found


def import_path(item: object) -> str | None:
    """The shortest dotted name under which an object can be imported again.

    Returns:
        the name, or None when there is none: lambdas, functions defined inside functions or in a
        config file or in `__main__`, and instances.
    """
    if isinstance(item, Enum):
        return _same_object(f"{type(item).__module__}.{type(item).__qualname__}.{item.name}", item)
    module, name = getattr(item, "__module__", None), getattr(item, "__qualname__", None)
    if not (isinstance(module, str) and isinstance(name, str)):
        return _same_object(repr(item), item)  # torch.float16 and its like print their own path
    prefixes = accumulate(module.split("."), "{}.{}".format)
    paths = (_same_object(f"{prefix}.{name}", item) for prefix in prefixes if prefix in sys.modules)
    return next(filter(None, paths), None)


def _same_object(name: str, item: object) -> str | None:
    if name.startswith("__main__.") or not _DOTTED_NAME.fullmatch(name):
        return None
    try:
        return name if _import_dotted(name) is item else None
    except ConfigImportError:
        return None
