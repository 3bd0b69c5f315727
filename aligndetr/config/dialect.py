"""Dialects: how config files written for another toolbox are read here.

The config system itself knows nothing of other toolboxes. Whoever does derives from `Dialect` and
registers an instance; it is asked only about names that are not installed.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import yaml
from omegaconf import DictConfig

from aligndetr.errors import ConfigError


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
        """Build plain data for an unknown yaml tag, or return NotImplemented."""
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


def unregister_dialect(dialect: Dialect) -> None:
    """Take a dialect out again."""
    if dialect in _dialects:
        _dialects.remove(dialect)


def find_foreign_module(name: str) -> object | None:
    """What the first dialect that knows the module offers for it."""
    return _first(dialect.find_module(name) for dialect in _dialects)


def find_foreign_target(path: str) -> Callable | None:
    """What the first dialect that knows the target offers for it."""
    return _first(dialect.find_target(path) for dialect in _dialects)


def construct_foreign_tag(loader: yaml.Loader, tag: str, node: yaml.Node) -> object:
    """What the first dialect that knows the tag makes of it, or NotImplemented."""
    for dialect in _dialects:
        built = dialect.construct_tag(loader, tag, node)
        if built is not NotImplemented:
            return built
    return NotImplemented


def translate(config: DictConfig, source: Path) -> DictConfig:
    """Pass a loaded config through all dialects."""
    for dialect in _dialects:
        config = dialect.translate(config, source)
    return config


def _first(answers):
    return next((answer for answer in answers if answer is not None), None)
