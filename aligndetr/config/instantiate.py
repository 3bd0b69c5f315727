"""Build objects from config nodes."""

from __future__ import annotations

import difflib
import inspect
import traceback
from collections.abc import Callable, Mapping
from types import MappingProxyType

from omegaconf import DictConfig, OmegaConf

from aligndetr.config.dotted import import_path, locate
from aligndetr.config.nodes import RECURSIVE, TARGET, is_lazy_call, is_mapping, is_sequence
from aligndetr.errors import ConfigError, UserError


def instantiate(config: object, **given: object) -> object:
    """Call what a node's `_target_` names, with the node's other entries as arguments.

    Arguments are built first, innermost first. Lists and dicts among them arrive as plain lists
    and dicts, whatever calls they hold already made; no callee ever sees a config, except with
    `_recursive_: false`, which hands the arguments over as they are.

    Args:
        config: a node, a dict with `_target_`, or a list of them; anything else is returned as is.
        given: arguments of the call that exist already, such as the model for an optimizer: they
            take the place of entries of the node, which are then not built.

    Returns:
        the object built; for a list, the list of objects.

    Raises:
        ConfigError: a target cannot be imported or raises; the message holds the path of the node,
            the target and the cause. Errors meant for users (`UserError`) pass unchanged.
    """
    path = _full_path(config)
    if is_mapping(config):
        return (
            _call(config, path, given) if is_lazy_call(config) or _is_dataclass(config) else config
        )
    if is_sequence(config) and (type(config) in (list, tuple) or hasattr(config, "_get_node")):
        return _build(config, path)
    return config


def _build(value: object, path: str) -> object:
    if is_mapping(value):
        if is_lazy_call(value) or _is_dataclass(value):
            return _call(value, path)
        return {key: _build(_item(value, key, path), _join(path, key)) for key in value}
    if is_sequence(value) and (type(value) in (list, tuple) or hasattr(value, "_get_node")):
        indices = range(len(value))
        return [_build(_item(value, index, path), _join(path, index)) for index in indices]
    return value


def _call(node: Mapping, path: str, given: Mapping = MappingProxyType({})) -> object:
    if TARGET not in node:
        return OmegaConf.to_object(node)  # a dataclass given as a value
    recursive = node.get(RECURSIVE, True)
    arguments = {}
    for key in node:
        if key not in (TARGET, RECURSIVE) and key not in given:
            value = _item(node, key, path)
            arguments[key] = _build(value, _join(path, key)) if recursive else value
    arguments.update(given)
    target = _target(node, path)
    try:
        return target(**arguments)
    except UserError:
        raise
    except Exception as error:
        name = _name_of(target)
        cause = f"{type(error).__name__}: {error}{_argument_hint(target, arguments)}"
        raise ConfigError(f"{path or 'config'}: {name} failed: {cause}{_origin(error)}") from error


def _target(node: Mapping, path: str) -> Callable:
    target = _item(node, TARGET, path)
    if is_lazy_call(target):
        target = _call(target, _join(path, TARGET))
    if isinstance(target, str):
        try:
            target = locate(target)
        except ConfigError as error:
            raise ConfigError(f"{_join(path, TARGET)}: {error}") from error
    if not callable(target):
        raise ConfigError(f"{_join(path, TARGET)}: {target!r} is not callable")
    return target


def _item(container: object, key: object, path: str) -> object:
    try:
        return container[key]
    except Exception as error:  # omegaconf: unresolvable interpolation, missing value
        reason = str(error).splitlines()[0]
        raise ConfigError(f"{_join(path, key)}: {reason}") from error


def _argument_hint(target: Callable, arguments: Mapping) -> str:
    """Names that the target does not take, with the closest ones it does."""
    names = parameter_names(target)
    if names is None:
        return ""
    hints = []
    for key in arguments:
        close = difflib.get_close_matches(str(key), names, n=1)
        if key not in names and close:
            hints.append(f"; did you mean {close[0]} instead of {key}?")
    return "".join(hints)


def parameter_names(target: Callable) -> list[str] | None:
    """Keyword arguments that a callable takes; None if it takes any, or if that is unknown."""
    try:
        parameters = inspect.signature(target).parameters.values()
    except (TypeError, ValueError):
        return None
    if any(parameter.kind is inspect.Parameter.VAR_KEYWORD for parameter in parameters):
        return None
    positional = inspect.Parameter.POSITIONAL_ONLY
    return [parameter.name for parameter in parameters if parameter.kind is not positional]


def _origin(error: Exception) -> str:
    frames = traceback.extract_tb(error.__traceback__)
    inner = frames[-1]
    return "" if len(frames) < 2 else f" ({inner.filename}:{inner.lineno})"


def _name_of(target: Callable) -> str:
    return import_path(target) or getattr(target, "__qualname__", repr(target))


def _is_dataclass(node: Mapping) -> bool:
    return isinstance(node, DictConfig) and OmegaConf.get_type(node) not in (dict, None)


def _full_path(config: object) -> str:
    full_key = getattr(config, "_get_full_key", None)
    return (full_key(None) if full_key else "") or ""


def _join(path: str, key: object) -> str:
    return f"{path}.{key}" if path else str(key)
