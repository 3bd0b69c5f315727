"""Exported files of all kinds, opened by what will run them."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from aligndetr.errors import ExportError
from aligndetr.runtime.exported import opened
from aligndetr.runtime.exported.metadata import KEY, OUTPUTS, from_text
from aligndetr.runtime.exported.opened import (
    Arrays,
    ExportedFile,
    first_line,
)


class TorchFile(ExportedFile):
    """A .pt2 file of `torch.export` in PyTorch."""

    def __init__(self, path: Path, provider: str | None = None) -> None:
        import torch

        self.runtime = f"torch {torch.__version__}"
        extra = {KEY: ""}
        try:
            program = torch.export.load(path, extra_files=extra)
        except Exception as error:
            raise ExportError(f"torch.export cannot open {path}: {first_line(error)}") from error
        self.metadata = from_text(_text(extra[KEY]), path)
        self._module = program.module()
        devices = {value.device.type for value in program.state_dict.values()}
        self._check_provider(path, provider or "cpu", devices)

    def run(self, feeds: Mapping[str, np.ndarray]) -> Arrays:
        """See `ExportedFile.run`."""
        import torch

        inputs = [torch.from_numpy(array) for array in feeds.values()]
        try:
            with torch.no_grad():
                found = self._module(*inputs)
        except (RuntimeError, AssertionError, ValueError) as error:
            raise ExportError(f"torch cannot run the file: {first_line(error)}") from error
        return {name: value.numpy() for name, value in zip(OUTPUTS, found, strict=True)}


KINDS: dict[str, type[ExportedFile]] = {**opened.KINDS, ".pt2": TorchFile}


def open_file(path: str | os.PathLike, provider: str | None = None) -> ExportedFile:
    """See `runtime.exported.opened.open_file`; .pt2 files, too."""
    return opened.open_file(path, provider, KINDS)


def _text(content: str | bytes) -> str:
    return content.decode() if isinstance(content, bytes) else content
