"""YAML as configs need it: safe, and the same rules for reading and writing."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import yaml

from aligndetr.config.dialect import construct_foreign_tag
from aligndetr.errors import ConfigError

_FLOAT = re.compile(
    r"""[-+]?(?:[0-9][0-9_]*\.[0-9_]*(?:[eE][-+]?[0-9]+)?
    |[0-9][0-9_]*[eE][-+]?[0-9]+
    |\.[0-9][0-9_]*(?:[eE][-+]?[0-9]+)?
    |\.(?:inf|Inf|INF))$
    |\.(?:nan|NaN|NAN)$""",
    re.VERBOSE,
)
_INT = re.compile(r"[-+]?(?:0|[1-9][0-9_]*)$")
_BOOL = re.compile(r"(?:true|True|TRUE|false|False|FALSE)$")
_NULL = re.compile(r"(?:~|null|Null|NULL|)$")
_MERGE = re.compile(r"<<$")
_RULES = {
    "float": (_FLOAT, list("-+.0123456789")),
    "int": (_INT, list("-+0123456789")),
    "bool": (_BOOL, list("tTfF")),
    "null": (_NULL, ["~", "n", "N", ""]),
    "merge": (_MERGE, ["<"]),
}


class ConfigLoader(yaml.SafeLoader):
    """Safe loader without YAML 1.1's surprises: 1e-4 is a float; yes, 1:30 and dates are text."""


class ConfigDumper(yaml.SafeDumper):
    """Writes exactly what `ConfigLoader` reads back."""

    def ignore_aliases(self, data: object) -> bool:
        """Repeat equal nodes instead of writing anchors."""
        return True


def _represent_text(dumper: yaml.Dumper, text: str) -> yaml.Node:
    # PyYAML writes "next line", U+0085, as it is between single quotes, and reads it as a blank
    style = '"' if "\x85" in text else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


def _represent_list(dumper: yaml.Dumper, items: list) -> yaml.Node:
    flat = not any(isinstance(item, (dict, list)) for item in items)
    return dumper.represent_sequence("tag:yaml.org,2002:seq", items, flow_style=flat)


def _install_rules(cls: type) -> None:
    cls.yaml_implicit_resolvers = {}
    for name, (pattern, first) in _RULES.items():
        cls.add_implicit_resolver(f"tag:yaml.org,2002:{name}", pattern, first)


def _construct_int(loader: yaml.Loader, node: yaml.Node) -> int:
    return int(loader.construct_scalar(node))


def _construct_unknown(loader: yaml.Loader, suffix: str, node: yaml.Node) -> object:
    built = construct_foreign_tag(loader, node.tag, node)
    if built is not NotImplemented:
        return built
    tag = node.tag.replace("tag:yaml.org,2002:", "!!")
    raise yaml.constructor.ConstructorError(
        problem=f"the tag {tag} stands for a Python object and is not built; write plain values",
        problem_mark=node.start_mark,
    )


_install_rules(ConfigLoader)
_install_rules(ConfigDumper)
ConfigDumper.add_representer(str, _represent_text)
ConfigDumper.add_representer(list, _represent_list)
ConfigLoader.add_constructor("tag:yaml.org,2002:int", _construct_int)
ConfigLoader.add_multi_constructor("", _construct_unknown)


def read_yaml(path: Path) -> dict:
    """Read a config.yaml.

    Raises:
        ConfigError: the file is missing, is not YAML (with the line), holds a tag for a Python
            object, or is not a mapping.
    """
    try:
        data = yaml.load(path.read_text(encoding="utf-8"), Loader=ConfigLoader)
    except FileNotFoundError:
        raise ConfigError(f"no config file {path}") from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"cannot read config file {path}: {error}") from error
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f"{path}:{mark.line + 1}" if mark else str(path)
        reason = getattr(error, "problem", None) or error
        raise ConfigError(f"{where}: {reason}") from error
    if not isinstance(data, Mapping):
        raise ConfigError(f"{path}: a config is a mapping of sections, not {type(data).__name__}")
    return dict(data)


def yaml_text(data: object, width: int = 100) -> str:
    """Plain data as YAML that `read_yaml` reads back to the same, folded at `width` columns."""
    return yaml.dump(
        data,
        Dumper=ConfigDumper,
        default_flow_style=False,
        sort_keys=False,
        allow_unicode=True,
        width=width,
    )
