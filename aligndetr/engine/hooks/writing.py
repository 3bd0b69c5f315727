"""Recorded numbers reach their readers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from aligndetr.distributed import is_main
from aligndetr.engine.events import EventStorage
from aligndetr.engine.hooks.base import Hook, is_due


class Writer(Protocol):
    """Shows or stores what the storage holds."""

    def write(self, storage: EventStorage, iteration: int) -> None:
        """Take the present values."""

    def close(self) -> None:
        """No more values will come."""


class PeriodicWriter(Hook):
    """Lets writers write every `period` steps, after the last one, and after an evaluation.

    Register it last, so that everything of a step has been recorded.

    Args:
        writers: of the main process.
        period: steps between two writings.
    """

    def __init__(self, writers: Sequence[Writer], period: int = 20) -> None:
        self.writers = list(writers)
        self.period = period
        self._written: int | None = None

    def after_step(self) -> None:
        """Write when it is time."""
        last = self.trainer.iter + 1 >= self.trainer.max_iter
        if last or is_due(self.trainer.iter, self.period):
            self._write(self.trainer.iter)

    def after_train(self) -> None:
        """Write what is left, then close."""
        try:
            done = self.trainer.completed - 1
            alone = self.trainer.failure is not None
            if done >= self.trainer.start_iter and done != self._written and not alone:
                self._write(done)
        finally:
            for writer in self.writers:
                writer.close()

    def _write(self, iteration: int) -> None:
        self._written = iteration
        self.trainer.storage.flush()
        if is_main():
            for writer in self.writers:
                writer.write(self.trainer.storage, iteration)
