"""Configs of other toolboxes: a dialect says how they are read here.

The config system itself knows nothing of other toolboxes. Whoever does derives from `Dialect` and
registers an instance; it is asked only about names that are not installed.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import yaml
from omegaconf import DictConfig

from aligndetr.errors import ConfigError

_TRANSLATED = ("detectron2", "detrex", "projects")  # `aligndetr.interop` understands some of these


class Dialect:
    """What another toolbox's configs need; each method may be left as it is."""

    def find_module(self, name: str) -> object | None:
        """Stand in for the module `name` while a config file is executed.

        Args:
            name: the dotted module name of an import statement whose module is not installed, or
                is installed but lacks a name that the statement asks for. `import a.b as c` asks
                for `a` and then reads its attribute `b`.

        Returns:
            an object with the module's names as attributes, or None if it is not known here.
        """
        return None

    def find_target(self, path: str) -> Callable | None:
        """Return the callable for a `_target_` that cannot be imported, or None."""
        return None

    def construct_tag(self, loader: yaml.Loader, tag: str, node: yaml.Node) -> object:
        """Build plain data for an unknown yaml tag, or return NotImplemented.

        A text that begins with "!!python/" marks what only `translate` can deal with; one that is
        left after it is an error.
        """
        return NotImplemented

    def translate(self, config: DictConfig, source: Path) -> DictConfig:
        """Return a whole loaded config in our own terms, or `config` itself if it is not foreign.

        Called once for the outermost file of a load, before overrides are applied.
        """
        return config


_dialects: list[Dialect] = []


def register_dialect(dialect: Dialect) -> None:
    """Let a dialect take part in every later load; the same object counts once."""
    if not isinstance(dialect, Dialect):
        raise ConfigError(f"a dialect must derive from aligndetr.config.Dialect: {dialect!r}")
    if dialect not in _dialects:
        _dialects.append(dialect)


def how_to_translate(name: str) -> str:
    """What to call so that a config which uses this name can be read; empty if nothing helps."""
    if _dialects or name.partition(".")[0] not in _TRANSLATED:
        return ""
    return (
        "; configs written for detectron2 and detrex are translated after"
        " `from aligndetr.interop import enable_foreign_configs; enable_foreign_configs()`"
    )


def find_foreign_module(name: str) -> object | None:
    """What the first dialect that knows the module offers for it."""
    return _first(dialect.find_module(name) for dialect in _dialects)


def find_foreign_target(path: str) -> Callable | None:
    """What the first dialect that knows the target offers for it."""
    return _first(dialect.find_target(path) for dialect in _dialects)


def construct_foreign_tag(loader: yaml.Loader, tag: str, node: yaml.Node) -> object:
    """What the first dialect that knows the tag makes of it, or NotImplemented."""
    built = (dialect.construct_tag(loader, tag, node) for dialect in _dialects)
    return next((item for item in built if item is not NotImplemented), NotImplemented)


def translate(config: DictConfig, source: Path) -> DictConfig:
    """Pass a loaded config through all dialects."""
    for dialect in _dialects:
        config = dialect.translate(config, source)
    return config


def _first(answers):
    return next((answer for answer in answers if answer is not None), None)
