"""Progress for people: a bar on a terminal, lines elsewhere."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

from aligndetr.engine.events import EventStorage
from aligndetr.engine.writers.base import Writer

logger = logging.getLogger(__name__)

AP = "bbox/AP"


def console_writer(epoch_iters: float | None = None) -> Writer:
    """A `BarWriter` on a terminal, else a `LineWriter`."""
    return BarWriter() if sys.stderr.isatty() else LineWriter(epoch_iters)


class LineWriter(Writer):
    """Logs one line at a time: iteration, time left, losses, speed.

    Args:
        epoch_iters: iterations of an epoch; None does not show epochs.
    """

    def __init__(self, epoch_iters: float | None = None) -> None:
        self.epoch_iters = epoch_iters

    def start(self, start_iter: int, max_iter: int) -> None:
        """Remember the end."""
        self.max_iter = max_iter

    def write(self, storage: EventStorage, iteration: int) -> None:
        """Log the present values."""
        values = {name: value for name, (value, _) in storage.smoothed().items()}
        logger.info("%s", summary_line(values, iteration + 1, self.max_iter, self.epoch_iters))


class BarWriter(Writer):
    """A progress bar that stays at the bottom of the terminal."""

    _progress = None

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
        values = {name: value for name, (value, _) in storage.smoothed().items()}
        total = values.get("total_loss", float("nan"))
        text = f"{time_left(values, iteration + 1, self.max_iter)} left  loss {total:.4g}"
        if AP in values:
            text += f"  AP {values[AP]:.1f}"
        self._progress.update(self._task, completed=iteration + 1, text=text)

    @contextmanager
    def paused(self) -> Iterator[None]:
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


def summary_line(
    values: dict[str, float], done: int, max_iter: int, epoch_iters: float | None
) -> str:
    """One line of at most the losses of the last layer, without a time stamp.

    Args:
        values: recorded numbers by name.
        done: finished iterations.
        max_iter: the end.
        epoch_iters: iterations of an epoch, or None.
    """
    parts = [f"iter {done}/{max_iter}"]
    if epoch_iters:
        parts.append(f"epoch {done / epoch_iters:.2f}")
    parts += [f"{time_left(values, done, max_iter)} left", _loss(values)]
    parts += [f"{name} {values[key]:.3g}" for key, name in _SHOWN.items() if key in values]
    if AP in values:
        parts.append(f"AP {values[AP]:.1f}")
    return "  ".join(parts)


_SHOWN = {
    "validation_loss": "val_loss",
    "grad_norm": "grad_norm",
    "lr": "lr",
    "time": "s/iter",
    "data_time": "data",
    "max_memory_gb": "GB",
}


def _loss(values: dict[str, float]) -> str:
    last_layer = {
        name.removeprefix("loss_"): value
        for name, value in values.items()
        if name.startswith("loss_") and name.count("_") == 1
    }
    parts = " ".join(f"{name} {value:.3g}" for name, value in last_layer.items())
    total = values.get("total_loss", float("nan"))
    return f"loss {total:.4g}" + (f" ({parts})" if parts else "")


def time_left(values: dict[str, float], done: int, max_iter: int) -> str:
    """Hours, minutes and seconds until the end, at the present speed; without evaluations."""
    return str(timedelta(seconds=round(values.get("time", 0.0) * (max_iter - done))))
