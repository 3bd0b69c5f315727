"""Configs as Python-like text."""

from __future__ import annotations

from collections.abc import Mapping

from aligndetr.config.dotted import import_path
from aligndetr.config.nodes import RECURSIVE, TARGET, entries, is_lazy_call, is_mapping, is_sequence
from aligndetr.config.serialize import source_text

_WIDTH = 100


def python_text(config: Mapping, prefix: str = "cfg.") -> str:
    """One assignment a line: `cfg.train.max_iter = 50`, calls with their arguments.

    Args:
        config: a config node.
        prefix: put before every path.

    Returns:
        text for people to read and compare; not every value can be executed again.
    """
    return "".join(f"{line}\n" for line in _assignments(config, prefix))


def _assignments(config: Mapping, prefix: str):
    for key, value in entries(config):
        path = f"{prefix}{key}"
        if is_mapping(value) and len(value) and not is_lazy_call(value):
            yield from _assignments(value, f"{path}.")
        else:
            yield f"{path} = {_expression(value, 0, len(path) + 3)}"


def _expression(value: object, indent: int, used: int) -> str:
    if is_lazy_call(value):
        arguments = [
            (f"{key}=", item) for key, item in entries(value) if key not in (TARGET, RECURSIVE)
        ]
        return _bracketed(f"{_callee(value)}(", arguments, ")", indent, used)
    if is_mapping(value):
        pairs = [(f"{key!r}: ", item) for key, item in entries(value)]
        return _bracketed("{", pairs, "}", indent, used)
    if is_sequence(value):
        pairs = list(entries(value)) if hasattr(value, "_get_node") else list(enumerate(value))
        return _bracketed("[", [("", item) for _, item in pairs], "]", indent, used)
    if callable(value):
        return import_path(value) or source_text(value)
    return repr(value)


def _callee(node: Mapping) -> str:
    target = dict(entries(node))[TARGET]
    return target if isinstance(target, str) else _expression(target, 0, 0)


def _bracketed(start: str, items: list, end: str, indent: int, used: int) -> str:
    short = [label + _expression(item, 0, 0) for label, item in items]
    line = f"{start}{', '.join(short)}{end}"
    if "\n" not in line and used + len(line) <= _WIDTH:
        return line
    pad = " " * (indent + 4)
    lines = [
        f"{pad}{label}{_expression(item, indent + 4, indent + 5 + len(label))},\n"
        for label, item in items
    ]
    return f"{start}\n{''.join(lines)}{' ' * indent}{end}"
