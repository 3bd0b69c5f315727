"""Recorded numbers reach their readers."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from contextlib import ExitStack, contextmanager

from aligndetr.distributed import is_main
from aligndetr.engine.hooks.base import Hook, is_due
from aligndetr.engine.writers.base import Writer


class PeriodicWriter(Hook):
    """Lets writers write every `period` steps and after the last one.

    Register it behind all that record something, and before the checkpoints.

    Args:
        writers: only those of the main process write.
        period: steps between two writings.
    """

    def __init__(self, writers: Sequence[Writer], period: int = 20) -> None:
        self.writers = list(writers) if is_main() else []
        self.period = period
        self._written: int | None = None

    def before_train(self) -> None:
        """Start all."""
        for writer in self.writers:
            writer.start(self.trainer.first_iter_of(self), self.trainer.max_iter)

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
        for writer in self.writers:
            writer.write(self.trainer.storage, iteration)
        self.trainer.storage.pictures.clear()


@contextmanager
def paused_writers(hooks: Sequence[Hook]) -> Generator[None]:
    """Inside of it no writer of these hooks uses the terminal."""
    with ExitStack() as stack:
        for hook in hooks:
            for writer in hook.writers if isinstance(hook, PeriodicWriter) else ():
                stack.enter_context(writer.paused())
        yield
