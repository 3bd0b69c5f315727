"""Waiting for the processes of a training: all of them end, and who failed is named."""

from __future__ import annotations

import os
import pickle
import signal
import sys
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from multiprocessing.connection import wait
from multiprocessing.process import BaseProcess
from pathlib import Path

from torch.multiprocessing import ProcessContext

LOST_CONTACT = 75  # exit code of a process that could not go on without another
STOP_S = 12.0  # for all to end by themselves after a signal
FAILURE_S = 5.0  # ... after one of them failed
_LOOK_S = 0.5


class Watch:
    """Started processes until their end.

    A signal to this process is passed on. Processes that still run some time after a signal, or
    after one of them failed, are killed: they may wait for ever for one that is gone.

    Args:
        first_rank: of the first process.
    """

    def __init__(self, first_rank: int = 0) -> None:
        self._first_rank = first_rank
        self._running: dict[int, BaseProcess] = {}
        self._ended: dict[int, int] = {}  # exit codes in the order of the ends; -n is signal n
        self._killed: list[int] = []
        self._signal: int | None = None
        self._deadline = float("inf")

    def run(self, start: Callable[[], ProcessContext]) -> int:
        """Start processes and wait for all.

        Args:
            start: starts them.

        Returns:
            the exit code for this process.

        Raises:
            RuntimeError: one failed by an error that is no `UserError`; with its traceback.
        """
        with self._signals_passed_on():
            context = start()
            self._error_files = context.error_files
            self._running = dict(enumerate(context.processes))
            if self._signal is not None:
                self._terminate()
            while self._running:
                wait([process.sentinel for process in self._running.values()], timeout=_LOOK_S)
                self._note_ends()
                if time.monotonic() > self._deadline:
                    self._kill()
        return self._outcome()

    @contextmanager
    def _signals_passed_on(self) -> Generator[None]:
        numbers = (signal.SIGINT, signal.SIGTERM)
        handlers = {number: signal.signal(number, self._pass_on) for number in numbers}
        try:
            yield
        finally:
            for number, handler in handlers.items():
                signal.signal(number, handler)

    def _pass_on(self, number: int, frame: object) -> None:
        self._signal = self._signal or number
        self._end_within(STOP_S)
        self._terminate()

    def _terminate(self) -> None:
        """Not by SIGINT: from a terminal they have that already, and a second one aborts."""
        for process in self._running.values():
            process.terminate()

    def _note_ends(self) -> None:
        for index, process in list(self._running.items()):
            if process.exitcode is not None:
                self._ended[index] = process.exitcode
                del self._running[index]
                if process.exitcode:
                    self._end_within(FAILURE_S)

    def _end_within(self, seconds: float) -> None:
        self._deadline = min(self._deadline, time.monotonic() + seconds)

    def _kill(self) -> None:
        self._killed += self._running
        for process in self._running.values():
            process.kill()
            process.join()

    def _outcome(self) -> int:
        """Say what went wrong; the exit code that tells it."""
        if self._killed and self._signal is not None:
            ranks = ", ".join(str(self._first_rank + index) for index in self._killed)
            name = signal.Signals(self._signal).name
            _say(
                f"killed {STOP_S:.0f} s after {name}, as it had not ended: process {ranks}; what "
                "no checkpoint holds is lost"
            )
        failed = [index for index, code in self._ended.items() if code and not self._told(index)]
        if failed:
            return self._blame(min(failed, key=self._dependence))
        stopped = self._signal is not None and any(self._ended.values())
        return 128 + self._signal if stopped else 0

    def _told(self, index: int) -> bool:
        """Whether a process ended because this one wanted it."""
        stops = (-signal.SIGTERM, 128 + signal.SIGTERM, -signal.SIGINT, 128 + signal.SIGINT)
        by_signal = self._signal is not None and self._ended[index] in stops
        return by_signal or index in self._killed

    def _dependence(self, index: int) -> int:
        """0 for one that failed on its own; more, the likelier it is that it lost another."""
        if self._ended[index] in (LOST_CONTACT, -signal.SIGABRT):  # NCCL and gloo may abort
            return 2
        return int(os.path.exists(self._error_files[index]))

    def _blame(self, index: int) -> int:
        code, name = self._ended[index], f"process {self._first_rank + index}"
        traceback = Path(self._error_files[index])
        if traceback.exists():
            raise RuntimeError(f"{name} failed:\n{pickle.loads(traceback.read_bytes())}")
        if code > 0:
            return code
        reason = ", perhaps for want of memory" if code == -signal.SIGKILL else ""
        _say(f"{name} was ended by {signal.Signals(-code).name}{reason}; so were all others")
        return 128 - code


def _say(message: str) -> None:
    print(f"error: {message}", file=sys.stderr)
