"""Loading processes live as long as the main process, whatever signal reaches all of them."""

from __future__ import annotations

import atexit
import multiprocessing
import os
import re
import signal
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from functools import partial
from types import FrameType

from aligndetr.errors import DataError

_SIGNALS = [signal.SIGINT, signal.SIGTERM]
if hasattr(signal, "SIGUSR2"):  # Slurm's before a job's time is over
    _SIGNALS.append(signal.SIGUSR2)
_LOOK_S = 1.0  # between two looks whether the main process still lives
_DEAD = re.compile(
    r"DataLoader worker \(pid(?:\(s\))? ([\d, ]+)\)(?: is killed by signal: ([\w ]+))?"
)


@contextmanager
def signals_held() -> Generator[None]:
    """Processes started inside the block begin with the signals held back that end a training.

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


@contextmanager
def dead_workers_named() -> Generator[None]:
    """Inside of it torch's error about a loading process that died becomes a sentence.

    Raises:
        DataError: instead of that RuntimeError.
    """
    try:
        yield
    except RuntimeError as error:
        found = _DEAD.match(str(error))
        if not found:
            raise
        processes, how = found.groups()
        raise DataError(
            f"a loading process (pid {processes}) died{f' ({how})' if how else ''}, most often for "
            "want of memory or shared memory (/dev/shm): use fewer loading processes "
            "(dataloader.train.num_workers, dataloader.test.num_workers), or give the machine or "
            "container more of it"
        ) from error


def name_dead_workers() -> None:
    """The same wherever in this process the error comes up.

    Once it has loaders, torch raises it out of its handler of SIGCHLD, in the middle of anything.
    """
    handler = signal.getsignal(signal.SIGCHLD) if hasattr(signal, "SIGCHLD") else None
    ours = isinstance(handler, partial) and handler.func is _handle
    if callable(handler) and not ours and threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGCHLD, partial(_handle, handler))


def _handle(handler: Callable, number: int, frame: FrameType | None) -> None:
    with dead_workers_named():
        handler(number, frame)


def obey_only_main(worker: int) -> None:
    """In a process that was started with `signals_held`: end by main's will, or with it.

    Ctrl-C and batch systems signal all processes of a training at once. What the main process
    still reads until it has saved its state, its workers must deliver.

    Where processes are spawned, a worker ends at once, as forked ones do: the interpreter's own end
    would abort while torch's thread still hands over a batch that nobody wants any more.

    Args:
        worker: index, as `DataLoader` gives it.
    """
    atexit.register(os._exit, 0)
    if hasattr(signal, "sigtimedwait"):
        parent = multiprocessing.parent_process()
        main = os.getppid() if parent is None else parent.pid
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
