"""Lazy configs: written as Python, overridden from the command line, instantiated when used."""

from aligndetr.config.dialect import Dialect, register_dialect, unregister_dialect
from aligndetr.config.dotted import import_path, locate
from aligndetr.config.instantiate import instantiate
from aligndetr.config.lazy import LazyCall, LazyConfig, get_config
from aligndetr.config.overrides import apply_overrides
from aligndetr.config.serialize import ConfigWarning

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
    "unregister_dialect",
]
