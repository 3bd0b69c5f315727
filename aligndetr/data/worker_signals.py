"""Loading processes live as long as the main process, whatever signal reaches all of them."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

_SIGNALS = (signal.SIGINT, signal.SIGTERM)
_LOOK_S = 1.0  # between two looks whether the main process still lives


@contextmanager
def signals_held() -> Iterator[None]:
    """Processes started inside the block begin with SIGINT and SIGTERM held back.

    Those that reach this process meanwhile come after the block.
    """
    if not hasattr(signal, "pthread_sigmask"):  # Windows has no such signals to hold
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def obey_only_main(worker: int) -> None:
    """In a process that was started with `signals_held`: end by main's will, or with it.

    Ctrl-C and batch systems signal all processes of a training at once. What the main process
    still reads until it has saved its state, its workers must deliver.

    Args:
        worker: index, as `DataLoader` gives it.
    """
    if hasattr(signal, "sigtimedwait"):
        main = multiprocessing.parent_process().pid
        threading.Thread(target=_wait_for_main, args=(main,), daemon=True).start()
    else:  # only Linux tells who sent a signal
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        if hasattr(signal, "pthread_sigmask"):
            signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)


def _wait_for_main(main: int) -> None:
    while os.getppid() == main:
        came = signal.sigtimedwait(_SIGNALS, _LOOK_S)
        if came is not None and came.si_pid == main:
            break
    os._exit(0)
