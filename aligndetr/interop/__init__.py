"""Foreign names, configs and checkpoints."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from aligndetr.interop.convert import convert_checkpoint
    from aligndetr.interop.load import load_checkpoint

__all__ = ["convert_checkpoint", "load_checkpoint"]


def __getattr__(name: str) -> Any:
    # On first use: reading a config must not import torch's checkpoint reader and the tables.
    if name == "load_checkpoint":
        from aligndetr.interop.load import load_checkpoint

        return load_checkpoint
    if name == "convert_checkpoint":
        from aligndetr.interop.convert import convert_checkpoint

        return convert_checkpoint
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
