"""Progress for people: a bar on a terminal, lines elsewhere."""

from __future__ import annotations

import logging
import sys
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

from aligndetr.engine.events import EventStorage
from aligndetr.engine.writers.base import Writer
from aligndetr.engine.writers.summary import average_precision, summary, time_left

logger = logging.getLogger(__name__)


def console_writer(epoch_iters: float | None = None) -> Writer:
    """A `BarWriter` on a terminal, else a `LineWriter`."""
    return BarWriter() if sys.stderr.isatty() else LineWriter(epoch_iters)


class LineWriter(Writer):
    """Logs what is new, in some lines: iteration, time left, losses, speed.

    Args:
        epoch_iters: iterations of an epoch; None does not show epochs.
    """

    def __init__(self, epoch_iters: float | None = None) -> None:
        self.epoch_iters = epoch_iters

    def start(self, start_iter: int, max_iter: int) -> None:
        """Remember the end."""
        super().start(start_iter, max_iter)
        self.max_iter = max_iter

    def write(self, storage: EventStorage, iteration: int) -> None:
        """Log them."""
        news = self.news(storage, iteration)
        logger.info("%s", summary(news, iteration + 1, self.max_iter, self.epoch_iters))


class BarWriter(Writer):
    """A progress bar that stays at the bottom of the terminal."""

    _progress: Any = None  # of rich, which is imported where it is shown

    def start(self, start_iter: int, max_iter: int) -> None:
        """Show it."""
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn

        self.max_iter = max_iter
        columns = (
            BarColumn(bar_width=20),
            TextColumn("{task.completed}/{task.total}  {task.fields[text]}"),
        )
        self._progress = Progress(*columns, console=Console(stderr=True))
        self._task = self._progress.add_task("", total=max_iter, completed=start_iter, text="")
        self._progress.start()

    def write(self, storage: EventStorage, iteration: int) -> None:
        """Move the bar."""
        recorded = storage.smoothed()
        values = {name: value for name, (value, _) in recorded.items()}
        loss = f"loss {values.get('total_loss', float('nan')):.4g}"
        parts = [time_left(values), loss, average_precision(recorded, iteration + 1)]
        text = "  ".join(part for part in parts if part)
        self._progress.update(self._task, completed=iteration + 1, text=text)

    @contextmanager
    def paused(self) -> Generator[None]:
        """No bar inside the block, where another one may be shown."""
        self._progress.stop()
        try:
            yield
        finally:
            self._progress.start()

    def close(self) -> None:
        """Leave the bar as it is."""
        if self._progress is not None:
            self._progress.stop()
