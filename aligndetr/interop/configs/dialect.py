"""How the config system asks for foreign names, tags and whole configs."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path

import yaml
from omegaconf import DictConfig

from aligndetr.config import Dialect, locate
from aligndetr.interop.configs.names import (
    PACKAGES,
    RENAMED,
    TARGETS,
    ForeignModule,
    is_installed,
    is_known_module,
    unknown,
)
from aligndetr.interop.configs.translate import is_foreign_config, translate_config

logger = logging.getLogger(__name__)

LOST = "!!python/name:"  # what a dump has of a function or class
_TAG = "tag:yaml.org,2002:python/"


class DetrexDialect(Dialect):
    """Reads published LazyConfigs and the config.yaml files that they leave behind.

    What a config loses on the way is logged, once if the file is read several times.
    """

    def __init__(self) -> None:
        self._said: set[str] = set()

    def find_module(self, name: str) -> object | None:
        """Offer a stand-in; an unknown module of a package that is not installed is an error."""
        if name in TARGETS and name.startswith("aligndetr."):
            return ForeignModule(name)
        if name.partition(".")[0] not in PACKAGES or is_installed(name):
            return None
        if not is_known_module(name):
            raise unknown(name)
        return ForeignModule(name)

    def find_target(self, path: str) -> Callable | None:
        """Offer our counterpart where it takes the same arguments."""
        ours = RENAMED.get(path.rpartition(".")[2])
        if ours is None or path.partition(".")[0] not in PACKAGES or is_installed(path):
            return None
        return locate(ours)

    def construct_tag(self, loader: yaml.Loader, tag: str, node: yaml.Node) -> object:
        """Turn shapes into plain data, and names of functions into text."""
        kind, _, name = tag.removeprefix(_TAG).partition(":")
        if not tag.startswith(_TAG):
            return NotImplemented
        if kind == "name":
            return f"{LOST}{name}"
        if kind == "object" and name.endswith(".ShapeSpec") and isinstance(node, yaml.MappingNode):
            return loader.construct_mapping(node, deep=True)
        return NotImplemented

    def translate(self, config: DictConfig, source: Path) -> DictConfig:
        """Rewrite a config that names foreign things in our terms."""
        if not is_foreign_config(config):
            return config
        translated, report = translate_config(config, source)
        text = str(report)
        if text not in self._said:
            self._said.add(text)
            logger.warning(text)
        return translated
