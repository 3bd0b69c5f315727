"""Foreign names, configs and checkpoints."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from aligndetr.interop.configs import enable_foreign_configs
    from aligndetr.interop.convert import convert_checkpoint
    from aligndetr.interop.load import load_checkpoint

__all__ = ["convert_checkpoint", "enable_foreign_configs", "load_checkpoint"]

# Imported on first use: what reads configs should not wait for torch, nor the other way round.
_HOMES = {
    "convert_checkpoint": "aligndetr.interop.convert",
    "enable_foreign_configs": "aligndetr.interop.configs",
    "load_checkpoint": "aligndetr.interop.load",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
