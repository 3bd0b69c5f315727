"""Event files for TensorBoard."""

from __future__ import annotations

import importlib.util
import os

from aligndetr.engine.events import EventStorage


def tensorboard_installed() -> bool:
    """Whether `TensorBoardWriter` can be used."""
    return importlib.util.find_spec("tensorboard") is not None


class TensorBoardWriter:
    """Writes scalars; needs the package `tensorboard`.

    Args:
        folder: of the event files.
        start_iter: what an earlier run wrote from here on is hidden.
    """

    def __init__(self, folder: str | os.PathLike, start_iter: int = 0) -> None:
        from torch.utils.tensorboard import SummaryWriter

        self._writer = SummaryWriter(os.fspath(folder), purge_step=start_iter or None)
        self._next = start_iter

    def write(self, storage: EventStorage, iteration: int) -> None:
        """Write what was recorded since the last time."""
        for name, (value, recorded) in storage.smoothed().items():
            if recorded >= self._next:
                self._writer.add_scalar(name, value, recorded)
        self._next = iteration + 1
        self._writer.flush()

    def close(self) -> None:
        """Finish the file."""
        self._writer.close()
