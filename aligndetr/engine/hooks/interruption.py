"""Ctrl-C, SIGTERM and SIGUSR2 end a training in good order."""

from __future__ import annotations

import logging
import signal
import threading
from types import FrameType
from typing import Any

from aligndetr.distributed import all_gather_object
from aligndetr.engine.hooks.base import Hook
from aligndetr.evaluation.cut import cut

logger = logging.getLogger(__name__)

# Slurm sends SIGUSR2 where a job asks for it, before the time is over; Windows has none
SIGNALS = [
    number
    for name in ("SIGINT", "SIGTERM", "SIGUSR2")
    if (number := getattr(signal, name, None)) is not None
]


class Interruption(Hook):
    """On SIGINT, SIGTERM or SIGUSR2 lets the present step finish, after which training stops.

    Evaluations are cut short, and made up by a resumed training. A second Ctrl-C aborts at once.
    Outside the main thread signals are left alone.

    Attributes:
        signal: the signal that came, or None; after the training, that of any process.
    """

    def __init__(self) -> None:
        self.signal: int | None = None
        self._previous: dict[int, Any] = {}

    def before_train(self) -> None:
        """Take over the signals."""
        cut.forget()
        if threading.current_thread() is threading.main_thread():
            for number in SIGNALS:
                self._previous[number] = signal.signal(number, self._handle)

    def after_train(self) -> None:
        """Give them back, and tell the other processes, which stopped as well, what came."""
        for number, handler in self._previous.items():
            signal.signal(number, handler)
        self._previous.clear()
        cut.forget()
        if self.trainer.failure is None:
            self.signal = next(filter(None, all_gather_object(self.signal)), None)

    @property
    def exit_code(self) -> int | None:
        """What the process should exit with, as shells count: 130 for SIGINT, 143 for SIGTERM."""
        return None if self.signal is None else 128 + self.signal

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if self.signal is not None and number == signal.SIGINT:
            raise KeyboardInterrupt
        self.signal = self.signal or number
        name = signal.Signals(number).name
        self.trainer.stop(f"interrupted by {name}")
        again = " (once more to abort at once)" if number == signal.SIGINT else ""
        logger.warning("%s: finishing this step, then writing a checkpoint%s", name, again)
        cut.ask()
