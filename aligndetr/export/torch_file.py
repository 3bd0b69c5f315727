"""A .pt2 file of `torch.export`: for PyTorch without this package."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch.export import ExportedProgram

from aligndetr.export.program import in_plain_operators
from aligndetr.runtime.exported.metadata import KEY, to_text


def convert(program: ExportedProgram, canvas_is_fixed: bool) -> ExportedProgram:
    """The program with nothing in it that PyTorch alone does not know."""
    return in_plain_operators(program)


def write(program: ExportedProgram, metadata: Mapping[str, Any], path: Path) -> None:
    """Write a program with metadata to a file that nobody reads yet."""
    torch.export.save(program, path, extra_files={KEY: to_text(metadata)})
