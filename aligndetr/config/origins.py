"""Where the values of a config come from: which file and line, or which override."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import yaml
from omegaconf import DictConfig

from aligndetr.config.lazy import LazyConfig
from aligndetr.config.nodes import TARGET, is_mapping, leaves
from aligndetr.config.overrides import apply_overrides, parse_override
from aligndetr.config.python_file import ExecutedFile, current_file
from aligndetr.config.yaml_file import ConfigLoader


@dataclass(frozen=True)
class Origin:
    """The file and line that set a value, or the override that did."""

    file: Path | None = None
    line: int | None = None
    override: str | None = None


def load_with_origins(
    path: Path, overrides: Sequence[str] = ()
) -> tuple[DictConfig, dict[str, Origin]]:
    """Load a config and say what set each leaf.

    A leaf comes from the innermost imported file that exported it with its final value. The line
    is that of the statement or argument that names it, where the file's text shows one.

    Args:
        path: the config file.
        overrides: applied in order.

    Returns:
        the config, and the origin of every leaf by its dotted path.

    Raises:
        ConfigError: as loading and overriding do.
    """
    observer = ExecutedFile(path=None)
    token = current_file.set(observer)
    try:
        config = LazyConfig.read(path)
    finally:
        current_file.reset(token)
    executed = [file for file in observer.imports if file.path == path.resolve()]
    # a YAML file executes nothing itself, but translating a foreign one loads packaged configs
    root = executed[0] if executed else ExecutedFile(path, imports=observer.imports)
    found = {key: _origin(root, key, value) for key, value in leaves(config)}
    for text in overrides:
        before = dict(leaves(config))
        apply_overrides(config, [text])
        override = parse_override(text)
        merged = is_mapping(override.value)
        for key, value in leaves(config):
            kept = merged and key in before and _same(before[key], value)
            set_here = f"{key}.".startswith(f"{override.path}.") and not kept
            if set_here or key not in found:
                found[key] = Origin(override=text)
    return config, {key: found[key] for key, _ in leaves(config)}


def _origin(file: ExecutedFile, key: str, value: object) -> Origin:
    text = _FileText.of(file.path)
    if key not in text.lines:
        for imported in reversed(file.imports):
            for name in (key, *text.other_names(key)):
                if name in imported.leaves and _same(imported.leaves[name], value):
                    return _origin(imported, name, value)
    while key and key not in text.lines:
        key = key.rpartition(".")[0]
    return Origin(file.path, text.lines.get(key))


def _same(first: object, second: object) -> bool:
    return first is second or (type(first) is type(second) and repr(first) == repr(second))


@dataclass(frozen=True)
class _FileText:
    """What a config file's text shows: the line of each dotted path, and which were renamed."""

    lines: dict[str, int]
    sources: dict[str, str]

    @staticmethod
    @lru_cache(maxsize=64)
    def of(path: Path) -> _FileText:
        text = path.read_text(encoding="utf-8")
        if path.suffix != ".py":
            return _FileText(dict(_yaml_lines(yaml.compose(text, Loader=ConfigLoader), "")), {})
        lines, sources = {}, {}
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.ImportFrom):
                sources.update({item.asname: item.name for item in node.names if item.asname})
            elif isinstance(node, ast.Assign) and (name := _dotted(node.targets[0])):
                lines.update(_python_lines(node.value, name, node.lineno))
                if isinstance(node.value, (ast.Name, ast.Attribute)):
                    sources[name] = _source(node.value)
        return _FileText(lines, sources)

    def other_names(self, key: str) -> Iterator[str]:
        """What a path was called where it was imported from."""
        prefix = key
        while prefix and prefix not in self.sources:
            prefix = prefix.rpartition(".")[0]
        if prefix:
            name = self.sources[prefix] + key[len(prefix) :]
            yield name
            yield name.partition(".")[2]  # without the module


def _source(value: ast.expr) -> str:
    """`base.train` as it is; `get_config("...").train` as `train`."""
    if isinstance(value, ast.Attribute):
        return f"{_source(value.value)}.{value.attr}".lstrip(".")
    return value.id if isinstance(value, ast.Name) else ""


def _dotted(target: ast.expr) -> str:
    """`train.clip["params"]` as `train.clip.params`; empty for any other expression."""
    if isinstance(target, ast.Name):
        return target.id
    if isinstance(target, ast.Attribute):
        owner, last = _dotted(target.value), target.attr
    elif isinstance(target, ast.Subscript) and isinstance(target.slice, ast.Constant):
        owner, last = _dotted(target.value), str(target.slice.value)
    else:
        return ""
    return f"{owner}.{last}" if owner else ""


def _python_lines(value: ast.expr, name: str, line: int) -> Iterator[tuple[str, int]]:
    yield name, line
    if isinstance(value, ast.Call):
        yield f"{name}.{TARGET}", line
        for keyword in value.keywords:
            if keyword.arg:
                yield from _python_lines(keyword.value, f"{name}.{keyword.arg}", keyword.lineno)
    elif isinstance(value, ast.Dict):
        for key, item in zip(value.keys, value.values, strict=True):
            if isinstance(key, ast.Constant):
                yield from _python_lines(item, f"{name}.{key.value}", key.lineno)
    elif isinstance(value, (ast.List, ast.Tuple)):
        for index, item in enumerate(value.elts):
            yield from _python_lines(item, f"{name}.{index}", item.lineno)


def _yaml_lines(node: yaml.Node | None, prefix: str) -> Iterator[tuple[str, int]]:
    if isinstance(node, yaml.MappingNode):
        pairs = [(key.value, key, item) for key, item in node.value]
    elif isinstance(node, yaml.SequenceNode):
        pairs = [(index, item, item) for index, item in enumerate(node.value)]
    else:
        return
    for name, start, item in pairs:
        yield f"{prefix}{name}", start.start_mark.line + 1
        yield from _yaml_lines(item, f"{prefix}{name}.")
