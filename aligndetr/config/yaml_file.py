"""Yaml files of configs: written as plain data, read safely, by the same rules.

Reading imports nothing: functions and classes stay names until they are instantiated.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path

import yaml
from omegaconf import DictConfig
from omegaconf.errors import OmegaConfBaseException
from yaml.constructor import ConstructorError

from aligndetr.config.find_file import read_text
from aligndetr.config.foreign import construct_foreign_tag, how_to_translate
from aligndetr.config.nodes import LOCATE, MAX_DEPTH, TARGET, leaves, to_node, to_plain
from aligndetr.errors import ConfigError, config_error
from aligndetr.files import atomic_write

MAX_REPEATED = 10_000  # values that aliases stand for; a few kilobytes could mean billions
_PYTHON, _SHOWN = "tag:yaml.org,2002:python/", "!!python/"
_FLOAT = r"""[-+]?(?:[0-9][0-9_]*\.[0-9_]*(?:[eE][-+]?[0-9]+)?
    |[0-9][0-9_]*[eE][-+]?[0-9]+
    |\.[0-9][0-9_]*(?:[eE][-+]?[0-9]+)?
    |\.(?:inf|Inf|INF))$
    |\.(?:nan|NaN|NAN)$"""
_RULES = {  # what plain text means, and how such a text begins
    "float": (_FLOAT, "-+.0123456789"),
    "int": (r"[-+]?(?:0|[1-9][0-9_]*)$", "-+0123456789"),
    "bool": (r"(?:true|True|TRUE|false|False|FALSE)$", "tTfF"),
    "null": (r"(?:~|null|Null|NULL|)$", ["~", "n", "N", ""]),
    "merge": (r"<<$", "<"),
}


class ConfigYamlError(ConfigError, yaml.YAMLError):
    """A file is not YAML, or holds a tag that is not built."""


class ConfigLoader(yaml.SafeLoader):
    """Safe loader without YAML 1.1's surprises: 1e-4 is a float; yes, 1:30 and dates are text."""

    def get_single_node(self) -> yaml.Node | None:
        """Refuse what would become too large a config, before anything is built."""
        node = super().get_single_node()
        if node is not None:
            _check_extent(node)
        return node


class ConfigDumper(yaml.SafeDumper):
    """Writes exactly what `ConfigLoader` reads back."""

    def ignore_aliases(self, data: object) -> bool:
        """Repeat equal nodes instead of writing anchors."""
        return True


def _check_extent(root: yaml.Node) -> None:
    known: dict[int, tuple[int, int]] = {}
    size, _ = _extent(root, known)
    if size - len(known) > MAX_REPEATED:
        text = f"its aliases stand for more than {MAX_REPEATED} values; write out what is needed"
        raise _refusal(text, root)


def _extent(node: yaml.Node, known: dict[int, tuple[int, int]]) -> tuple[int, int]:
    """How many values a node stands for, aliases written out, and how deep they are nested."""
    if id(node) in known:
        return known[id(node)]
    known[id(node)] = (0, MAX_DEPTH)  # of a node within itself
    inner = node.value if isinstance(node, yaml.CollectionNode) else []
    if isinstance(node, yaml.MappingNode):
        _refuse_empty_keys(node)
        inner = [item for pair in inner for item in pair]
    extents = [_extent(item, known) for item in inner]
    size = 1 + sum(size for size, _ in extents)
    depth = 1 + max((depth for _, depth in extents), default=0)
    if depth > MAX_DEPTH:
        raise RecursionError
    known[id(node)] = size, depth
    return size, depth


def _refuse_empty_keys(node: yaml.MappingNode) -> None:
    for key, _ in node.value:
        if key.tag == "tag:yaml.org,2002:null":
            raise _refusal(f"a key is {key.value or 'empty'}; if it is text, quote it", key)


def _represent_text(dumper: yaml.Dumper, text: str) -> yaml.Node:
    # PyYAML writes "next line", U+0085, as it is between single quotes, and reads it as a blank
    style = '"' if "\x85" in text else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


def _represent_list(dumper: yaml.Dumper, items: list) -> yaml.Node:
    flat = not any(isinstance(item, (dict, list)) for item in items)
    return dumper.represent_sequence("tag:yaml.org,2002:seq", items, flow_style=flat)


def _install_rules(cls: type[ConfigLoader] | type[ConfigDumper]) -> None:
    cls.yaml_implicit_resolvers = {}
    for name, (pattern, first) in _RULES.items():
        rule = re.compile(pattern, re.VERBOSE)
        cls.add_implicit_resolver(f"tag:yaml.org,2002:{name}", rule, list(first))


def _construct_int(loader: yaml.Loader, node: yaml.Node) -> int:
    try:
        return int(loader.construct_scalar(node))
    except ValueError as error:  # Python reads 4300 digits
        raise _refusal(str(error), node) from error


def _construct_unknown(loader: yaml.Loader, suffix: str, node: yaml.Node) -> object:
    """Names of our own stay names, tuples are lists; a dialect may know more."""
    kind, _, name = node.tag.removeprefix(_PYTHON).partition(":")
    if node.tag.startswith(_PYTHON):
        if kind == "name" and name.startswith("aligndetr."):
            return {TARGET: LOCATE, "name": name}
        if kind == "tuple" and isinstance(node, yaml.SequenceNode):
            return loader.construct_sequence(node, deep=True)
    built = construct_foreign_tag(loader, node.tag, node)
    if built is not NotImplemented:
        return built
    raise _refusal(_not_built(node.tag.replace("tag:yaml.org,2002:", "!!")), node)


def _refusal(problem: str, node: yaml.Node) -> yaml.YAMLError:
    return ConstructorError(problem=problem, problem_mark=node.start_mark)


def _not_built(tag: str) -> str:
    kind, _, name = tag.partition(":")
    named = kind == f"{_SHOWN}name"
    remedy = f"{{{TARGET}: {LOCATE}, name: {name}}}" if named else "plain values"
    hint = how_to_translate(name)
    return f"the tag {tag} stands for a Python object and is not built; write {remedy}{hint}"


def refuse_tags(config: DictConfig, path: Path) -> None:
    """Raise if a text of a config is a tag that a dialect passed on and nobody translated."""
    for key, value in leaves(config):
        if isinstance(value, str) and value.startswith(_SHOWN):
            raise ConfigYamlError(f"{path}: {key}: {_not_built(value)}")


_install_rules(ConfigLoader)
_install_rules(ConfigDumper)
ConfigDumper.add_representer(str, _represent_text)
ConfigDumper.add_representer(list, _represent_list)
ConfigLoader.add_constructor("tag:yaml.org,2002:int", _construct_int)
ConfigLoader.add_multi_constructor("", _construct_unknown)


def read_yaml(path: Path) -> DictConfig:
    """Read a config.yaml.

    Raises:
        ConfigError: the file is missing, is not YAML (with the line), holds a tag for a Python
            object that is not one of ours, or is not a mapping.
    """
    return parse_yaml(read_text(path), path)


def parse_yaml(text: str, path: str | os.PathLike) -> DictConfig:
    """`read_yaml` of a text that came from `path`, or from wherever that says."""
    try:
        data = yaml.load(text, Loader=ConfigLoader)
        if isinstance(data, Mapping):
            return to_node(dict(data))
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f"{path}:{mark.line + 1}" if mark else str(path)
        reason = getattr(error, "problem", None) or error
        raise ConfigYamlError(f"{where}: {reason}") from error
    except OmegaConfBaseException as error:
        raise config_error(f"{path}: {str(error).splitlines()[0]}", error) from error
    except RecursionError as error:
        raise config_error(f"{path}: nested too deeply, or part of itself", error) from error
    raise ConfigError(f"{path}: a config is a mapping of sections, not {type(data).__name__}")


def write_yaml(config: object, path: str | Path) -> None:
    """Write a config so that `read_yaml` gives one that instantiates to the same."""
    with atomic_write(path) as file:
        file.write(yaml_text(to_plain(config)))


def yaml_text(data: object, width: int = 100) -> str:
    """Plain data as YAML that `ConfigLoader` reads back to the same, folded at `width` columns."""
    return yaml.dump(
        data,
        Dumper=ConfigDumper,
        default_flow_style=False,
        sort_keys=False,
        allow_unicode=True,
        width=width,
    )
