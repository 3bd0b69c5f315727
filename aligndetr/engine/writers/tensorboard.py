"""Event files for TensorBoard."""

from __future__ import annotations

import importlib.util
import os
from typing import Any

from aligndetr.engine.events import EventStorage
from aligndetr.engine.writers.base import Writer
from aligndetr.files import writing


def tensorboard_installed() -> bool:
    """Whether `TensorBoardWriter` can be used."""
    return importlib.util.find_spec("tensorboard") is not None


class TensorBoardWriter(Writer):
    """Writes scalars and pictures; needs the package `tensorboard`.

    Args:
        folder: of the event files.
    """

    def __init__(self, folder: str | os.PathLike) -> None:
        self.folder = os.fspath(folder)
        self._file: Any = None  # from `start` on

    def start(self, start_iter: int, max_iter: int) -> None:
        """Begin a file; what an earlier run wrote from `start_iter` on is hidden."""
        from torch.utils.tensorboard import SummaryWriter

        super().start(start_iter, max_iter)
        with writing(self.folder):
            self._file = SummaryWriter(self.folder, purge_step=start_iter or None)

    def write(self, storage: EventStorage, iteration: int) -> None:
        """Write what was recorded since the last time."""
        with writing(self.folder):
            for name, (value, recorded) in self.news(storage, iteration).items():
                self._file.add_scalar(name, value, recorded)
            for name, (pixels, recorded) in storage.pictures.items():
                self._file.add_image(name, pixels, recorded, dataformats="HWC")
            self._file.flush()

    def close(self) -> None:
        """Finish the file."""
        if self._file is not None:
            with writing(self.folder):
                self._file.close()
