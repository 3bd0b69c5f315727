"""Build objects from config nodes."""

from __future__ import annotations

import difflib
import inspect
import traceback
import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeGuard

from omegaconf import DictConfig, OmegaConf

from aligndetr.config.import_names import import_path, locate
from aligndetr.config.nodes import (
    RECURSIVE,
    SOURCE,
    TARGET,
    ConfigWarning,
    is_lazy_call,
    is_lost,
    is_mapping,
    is_name,
    is_sequence,
    join,
)
from aligndetr.errors import (
    ConfigAssertionError,
    ConfigError,
    ConfigImportError,
    UserError,
    config_error,
)


def instantiate(config: object, **given: object) -> Any:
    """Call what a node's `_target_` names, with the node's other entries as arguments.

    Arguments are built first, innermost first. Lists and dicts among them arrive as plain lists
    and dicts, whatever calls they hold already made; no callee ever sees a config, except with
    `_recursive_: false`, which hands the arguments over as they are. An argument that could not be
    saved (a lambda, say) is left to the callee's default, or None, with a `ConfigWarning`.

    Args:
        config: a node, a dict with `_target_`, or a list of them; anything else is returned as is.
        given: arguments of the call that exist already, such as the model for an optimizer: they
            take the place of entries of the node, which are then not built.

    Returns:
        the object built; for a list, the list of objects.

    Raises:
        ConfigError: a target cannot be imported or raises; the message holds the path of the node,
            the target and the cause, and the error also is a Python error of the cause's kind.
            Errors meant for users (`UserError`) pass unchanged.
    """
    if is_lazy_call(config) or _is_dataclass(config):
        return _call(config, _full_path(config), given)
    return _build(config, _full_path(config)) if _is_list(config) else config


def _build(value: object, path: str) -> Any:
    if is_lost(value):
        _warn_lost(value, path, "None")
        return None
    if is_lazy_call(value) or _is_dataclass(value):
        return _call(value, path)
    if is_mapping(value):
        return {key: _build(_item(value, key, path), join(path, key)) for key in value}
    if _is_list(value):
        indices = range(len(value))
        return [_build(_item(value, index, path), join(path, index)) for index in indices]
    return value


def _call(node: Mapping, path: str, given: Mapping | None = None) -> Any:
    if TARGET not in node:
        return OmegaConf.to_object(node)  # a dataclass given as a value
    if is_name(node):
        return _named(_item(node, "name", path), path)
    target = _target(node, path)
    given = given or {}
    arguments = {**_arguments(node, path, target, given), **given}
    try:
        return target(**arguments)
    except UserError:
        raise
    except Exception as error:
        cause = f"{type(error).__name__}: {error}{_argument_hint(target, arguments)}"
        text = f"{path or 'config'}: {_name_of(target)} failed: {cause}{_origin(error)}"
        raise config_error(text, error) from error


def _arguments(node: Mapping, path: str, target: Callable, given: Mapping) -> dict:
    recursive, arguments = node.get(RECURSIVE, True), {}
    for key in node:
        if key in (TARGET, RECURSIVE) or key in given:
            continue
        value = _item(node, key, path)
        if is_lost(value) and _has_default(target, key):
            _warn_lost(value, join(path, key), f"the default of {_name_of(target)}")
        else:
            arguments[key] = _build(value, join(path, key)) if recursive else value
    return arguments


def _target(node: Mapping, path: str) -> Callable:
    target, where = _item(node, TARGET, path), join(path, TARGET)
    if is_lost(target):
        raise ConfigError(f"{path or 'config'} {_how_lost(target)}")
    if is_lazy_call(target):
        target = _call(target, where)
    if isinstance(target, str):
        target = _named(target, where)
    if not callable(target):
        raise ConfigAssertionError(f"{where}: {target!r} is not callable")
    return target


def _named(name: str, path: str) -> Any:
    try:
        return locate(name)
    except ConfigError as error:
        raise ConfigImportError(f"{path or 'config'}: {error}") from error


def _item(container: Mapping | Sequence, key: Any, path: str) -> Any:
    try:
        return container[key]
    except Exception as error:  # omegaconf: unresolvable interpolation, missing value
        reason = str(error).splitlines()[0]
        raise config_error(f"{join(path, key)}: {reason}", error) from error


def _argument_hint(target: Callable, arguments: Mapping) -> str:
    """Names that the target does not take, with the closest ones it does."""
    names = parameter_names(target) or []
    close = {key: difflib.get_close_matches(str(key), names, n=1) for key in arguments}
    unknown = {key: found[0] for key, found in close.items() if found and key not in names}
    return "".join(f"; did you mean {name} instead of {key}?" for key, name in unknown.items())


def parameter_names(target: Callable) -> list[str] | None:
    """Keyword arguments that a callable takes; None if it takes any, or if that is unknown."""
    parameters = _parameters(target)
    if parameters is None or any(item.kind is item.VAR_KEYWORD for item in parameters.values()):
        return None
    return [name for name, item in parameters.items() if item.kind is not item.POSITIONAL_ONLY]


def _has_default(target: Callable, name: str) -> bool:
    parameter = (_parameters(target) or {}).get(name)
    return parameter is not None and parameter.default is not parameter.empty


def _parameters(target: Callable) -> Mapping[str, inspect.Parameter] | None:
    try:
        return inspect.signature(target).parameters
    except (TypeError, ValueError):
        return None


def _warn_lost(item: Mapping, path: str, instead: str) -> None:
    text = f"{path} {_how_lost(item)}; {instead} is used instead"
    warnings.warn(text, ConfigWarning, stacklevel=2)


def _how_lost(item: Mapping) -> str:
    while SOURCE not in item:
        item = item[TARGET]
    return (
        f"was `{item[SOURCE]}`, which cannot be rebuilt from text"
        " (name an importable function in the config, or override it)"
    )


def _origin(error: Exception) -> str:
    frames = traceback.extract_tb(error.__traceback__)
    inner = frames[-1]
    return "" if len(frames) < 2 else f" ({inner.filename}:{inner.lineno})"


def _name_of(target: Callable) -> str:
    return import_path(target) or getattr(target, "__qualname__", repr(target))


def _is_list(value: object) -> TypeGuard[Sequence]:
    return is_sequence(value) and (type(value) in (list, tuple) or hasattr(value, "_get_node"))


def _is_dataclass(node: object) -> TypeGuard[DictConfig]:
    return isinstance(node, DictConfig) and OmegaConf.get_type(node) not in (dict, None)


def _full_path(config: object) -> str:
    full_key = getattr(config, "_get_full_key", None)
    return (full_key(None) if full_key else "") or ""
