"""An action in a process of its own, which may crash, hang or be killed: a fork of this one."""

import contextlib
import faulthandler
import gc
import os
import resource
import signal
import sys
import tempfile
import time
import traceback
import warnings
from dataclasses import dataclass
from pathlib import Path

MOST_MEMORY = 4 * 2**30  # bytes beyond what this process has
SECONDS = 60.0  # far above what any case takes; a machine may be busy


@dataclass(frozen=True)
class Outcome:
    """How it ended: exit code as shells count, None if it did not end in time; and what it said."""

    code: int | None
    output: str


def in_child(action, folder, limit=SECONDS):
    """Run `action() -> exit code` with `folder` as working folder, in a process group of its own.

    Whatever the process leaves running is killed.
    """
    with tempfile.TemporaryFile() as said:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the child uses no thread of this process
            pid = os.fork()
        if pid == 0:
            _run(action, folder, said.fileno())
        code = _wait(pid, limit)
        said.seek(0)
        return Outcome(code, said.read().decode("utf-8", errors="replace"))


def _run(action, folder, output):
    """What the child does; like the interpreter at the end of a program."""
    code = 1
    try:
        faulthandler.disable()
        gc.freeze()  # the parent's objects need not be looked at again
        os.setsid()
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        os.chdir(folder)
        os.dup2(output, 1)
        os.dup2(output, 2)
        sys.stdout = open(1, "w", closefd=False)  # noqa: SIM115
        sys.stderr = open(2, "w", closefd=False, errors="backslashreplace")  # noqa: SIM115
        _limit_memory()
        os.environ.pop("ALIGNDETR_TRACEBACK", None)
        warnings.resetwarnings()
        code = action()
    except SystemExit as stop:
        code = stop.code if isinstance(stop.code, int) else int(stop.code is not None)
    except BaseException:
        traceback.print_exc()
    finally:
        with contextlib.suppress(Exception):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(code & 255)


def _limit_memory():
    pages = Path("/proc/self/statm")
    if pages.exists():  # elsewhere a process cannot tell what it has
        used = int(pages.read_text().split()[0]) * os.sysconf("SC_PAGESIZE")
        resource.setrlimit(resource.RLIMIT_AS, (used + MOST_MEMORY, resource.RLIM_INFINITY))


def _wait(pid, limit):
    deadline, ended = time.monotonic() + limit, 0
    while not ended and time.monotonic() < deadline:
        ended, status = os.waitpid(pid, os.WNOHANG)
        time.sleep(0 if ended else 0.003)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(pid, signal.SIGKILL)
    if not ended:
        os.waitpid(pid, 0)
        return None
    code = os.waitstatus_to_exitcode(status)
    return 128 - code if code < 0 else code
