"""Lazy configs: written as Python, overridden from the command line, instantiated when used."""

from aligndetr.config.find_file import resolve_config
from aligndetr.config.foreign import Dialect, register_dialect
from aligndetr.config.import_names import import_path, locate
from aligndetr.config.instantiate import instantiate
from aligndetr.config.lazy import LazyCall, LazyConfig, get_config
from aligndetr.config.nodes import ConfigWarning
from aligndetr.config.overrides import apply_overrides

__all__ = [
    "ConfigWarning",
    "Dialect",
    "LazyCall",
    "LazyConfig",
    "apply_overrides",
    "get_config",
    "import_path",
    "instantiate",
    "locate",
    "register_dialect",
    "resolve_config",
]
