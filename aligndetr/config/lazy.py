"""Lazy calls and the files they live in."""

from __future__ import annotations

import dataclasses
import functools
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeGuard, overload

from omegaconf import DictConfig

from aligndetr.config.find_file import find_packaged
from aligndetr.config.foreign import translate
from aligndetr.config.import_names import import_path
from aligndetr.config.nodes import TARGET, to_node
from aligndetr.config.overrides import apply_overrides
from aligndetr.config.python_file import execute, is_outermost, python_text, sections
from aligndetr.config.trust import check_trust
from aligndetr.config.yaml_file import parse_yaml, read_yaml, refuse_tags, write_yaml
from aligndetr.errors import ConfigKeyError, ConfigTypeError, ConfigValueError


class LazyCall:
    """A call that is written down now and made by `instantiate` later.

    `LazyCall(torch.nn.Linear)(in_features=4, out_features=2)` is a config node; its arguments can
    be read, changed and overridden until it is instantiated.

    Args:
        target: a function or class, its dotted import path, or a node that builds one.

    Raises:
        ConfigTypeError: the target is none of these.
    """

    def __init__(self, target: Callable | str | Mapping) -> None:
        if not (callable(target) or isinstance(target, (str, Mapping))):
            raise ConfigTypeError(
                f"LazyCall needs something callable or its import path: {target!r}"
            )
        self._target = target

    def __call__(self, **arguments: object) -> DictConfig:
        """Write the call down; positional arguments have no name to override and are not taken."""
        target = self._target
        if _is_schema(target):
            target = import_path(target) or functools.partial(target)
        return to_node({TARGET: target, **arguments})


def _is_schema(target: object) -> TypeGuard[type]:
    """Whether omegaconf would take the class for the type of a section."""
    is_class = isinstance(target, type)
    return is_class and (
        dataclasses.is_dataclass(target) or issubclass(target, (dict, list, tuple))
    )


class LazyConfig:
    """Reads, overrides and writes config files."""

    @overload
    @staticmethod
    def load(filename: str | Path, keys: None = None, trust_config: bool = False) -> DictConfig: ...

    @overload
    @staticmethod
    def load(
        filename: str | Path, keys: str | Sequence[str], trust_config: bool = False
    ) -> Any: ...

    @staticmethod
    def load(
        filename: str | Path,
        keys: str | Sequence[str] | None = None,
        trust_config: bool = False,
    ) -> Any:
        """Execute a .py config or read a .yaml one; nothing is kept between two loads.

        Args:
            filename: the file.
            keys: None for all dicts and lists without a leading underscore, a name for one
                variable, or several names for a tuple.
            trust_config: let a .yaml file, which may be anybody's, call whatever it names. What a
                .py config reads is the affair of that config.

        Returns:
            a DictConfig, the variable, or a tuple of variables.

        Raises:
            UntrustedConfigError: a .yaml file does more than `aligndetr.config.trust` lists.
            ConfigError: see `aligndetr.config.python_file.execute` and
                `aligndetr.config.yaml_file.read_yaml`; or a key is not in the file.
        """
        path = Path(filename).expanduser()
        config, exported = _read(path)
        if path.suffix != ".py" and is_outermost() and not trust_config:
            check_trust(config, path)
        if keys is None:
            return config
        if isinstance(keys, str):
            return _variable(config, exported, keys, path)
        return tuple(_variable(config, exported, key, path) for key in keys)

    @staticmethod
    def from_text(text: str, source: str, trust_config: bool = False) -> DictConfig:
        """A config that comes as data, such as the one stored in a checkpoint, read and checked.

        Args:
            text: what `save` wrote.
            source: where the text was found, for messages.
            trust_config: let it call whatever it names.

        Raises:
            UntrustedConfigError: it does more than `aligndetr.config.trust` lists.
            ConfigError: it is not YAML, or not a config.
        """
        config = _in_our_terms(parse_yaml(text, source), Path(source))
        if not trust_config:
            check_trust(config, source)
        return config

    @staticmethod
    def read(filename: str | Path) -> DictConfig:
        """`load` to print or compare: a .yaml file is neither checked nor to be instantiated."""
        return _read(Path(filename).expanduser())[0]

    @staticmethod
    def load_rel(filename: str, keys: str | Sequence[str] | None = None) -> Any:
        """`load` a file named relative to the file of the caller."""
        caller = Path(sys._getframe(1).f_code.co_filename)
        if not caller.is_file():
            raise ConfigValueError(f"load_rel({filename!r}) must be called from a file")
        return LazyConfig.load(caller.resolve().parent / filename, keys)

    @staticmethod
    def apply_overrides(config: DictConfig, overrides: Sequence[str]) -> DictConfig:
        """Change `config` in place by texts such as `train.max_iter=50`; returns it.

        Raises:
            ConfigError: see `aligndetr.config.overrides.apply_overrides`.
        """
        return apply_overrides(config, overrides)

    @staticmethod
    def save(config: DictConfig, filename: str | Path) -> None:
        """Write a config as YAML that `load` reads back and that instantiates to the same."""
        write_yaml(config, filename)

    @staticmethod
    def to_py(config: DictConfig, prefix: str = "cfg.") -> str:
        """A config as Python-like text, for people to read and compare."""
        return python_text(config, prefix)


def _read(path: Path) -> tuple[DictConfig, Mapping]:
    """A config in our terms, and all variables of its file."""
    if path.suffix == ".py":
        exported: Mapping = execute(path)
        config = to_node(sections(exported))
    elif path.suffix in (".yaml", ".yml"):
        config = read_yaml(path)
        exported = config
    else:
        raise ConfigValueError(f"a config file ends in .py or .yaml: {path}")
    return (_in_our_terms(config, path) if is_outermost() else config), exported


def _in_our_terms(config: DictConfig, path: Path) -> DictConfig:
    config = translate(config, path)
    refuse_tags(config, path)
    return config


def get_config(name: str) -> DictConfig:
    """Load a config that comes with the package.

    Args:
        name: path relative to `aligndetr/configs`, such as `common/data/coco_detr.py`.

    Raises:
        ConfigError: there is no such config; the message names similar ones.
    """
    return LazyConfig.load(find_packaged(name))


def _variable(config: DictConfig, exported: Mapping, name: str, path: Path) -> Any:
    for variables in (config, exported):
        if name in variables.keys():  # noqa: SIM118  `in config` is False for None values
            return variables[name]
    known = ", ".join(map(str, dict.fromkeys([*exported, *config])))
    raise ConfigKeyError(f"{path} has no {name!r}; it has {known}")
