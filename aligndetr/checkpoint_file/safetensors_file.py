"""Weights in the format of `safetensors`, which is optional."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType

from torch import Tensor

from aligndetr.errors import CheckpointError


def read_safetensors(path: Path) -> dict[str, Tensor]:
    """All tensors of a file, by name.

    Raises:
        CheckpointError: the library is not installed.
    """
    return library().load_file(path)


def library() -> ModuleType:
    """Import `safetensors.torch`.

    Raises:
        CheckpointError: it is not installed.
    """
    try:
        import safetensors.torch
    except ImportError as error:
        raise CheckpointError(
            "files of safetensors need that library: pip install 'aligndetr[hub]'"
        ) from error
    return safetensors.torch
