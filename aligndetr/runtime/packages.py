"""Packages that are asked for when they are needed, and the extras that bring them."""

from __future__ import annotations

import importlib
from types import ModuleType

from .errors import ExportError

DISTRIBUTION = __name__.partition(".")[0].replace("_", "-")
"""What pip calls the distribution that this file came with: these files come with two."""


def require(package: str, extra: str) -> ModuleType:
    """Import an optional package.

    Raises:
        ExportError: it is not installed; names the extra that brings it.
    """
    try:
        return importlib.import_module(package)
    except ImportError as error:
        raise ExportError(
            f"{package} cannot be imported ({error}): pip install '{DISTRIBUTION}[{extra}]'"
        ) from error
