"""What goes wrong on the way out."""

from __future__ import annotations

import importlib
from types import ModuleType

from aligndetr.errors import UserError


class ExportError(UserError):
    """A model, or a part of it, cannot be exported, or an exported file cannot be used."""


def require(package: str, extra: str) -> ModuleType:
    """Import an optional package.

    Raises:
        ExportError: it is not installed; names the extra that brings it.
    """
    try:
        return importlib.import_module(package)
    except ImportError as error:
        raise ExportError(
            f"{package} cannot be imported ({error}): pip install 'aligndetr[{extra}]'"
        ) from error
