"""The folder of a run and its log."""

from __future__ import annotations

import logging
import os
import socket
import sys
import tempfile
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TextIO

from aligndetr.distributed import is_main, on_main, rank
from aligndetr.engine.launcher import launch_id
from aligndetr.errors import UserError
from aligndetr.evaluation.run_files import CAN_LOCK, CONFIG_FILE, LOCK_FILE, LOG_FILE, try_to_lock
from aligndetr.files import reason_and_remedy, writing

WARNED, FAILED = "warning: ", "error: "  # begin a line of the log, after its time
LOG_OF_PROCESS = "log.process{}.txt"
_LAUNCHED = "launched by "  # begins a line of the lock
_AGAIN_S = 0.2

logger = logging.getLogger(__name__)


def make_run_folder(path: str | os.PathLike) -> Path:
    """Make the folder if need be, and see that it can be written to.

    Raises:
        UserError: it cannot.
    """
    folder = Path(path)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise UserError(
            f"cannot write to {folder}: {error.strerror or error}; choose another train.output_dir"
        ) from error
    return folder


@contextmanager
def held(folder: Path) -> Generator[None]:
    """Inside of it no other training can use the folder.

    The system keeps the lock, for this process alone: however it dies, the folder is free again.

    Raises:
        UserError: another training uses it; or, when the block has ended without an error, the
            folder is no longer the one that it was.
    """
    if not is_main():
        on_main(lambda: None)
        yield
        return
    with writing(folder / LOCK_FILE):
        file = open(folder / LOCK_FILE, "a+", encoding="utf-8")  # noqa: SIM115
    with file:
        on_main(lambda: _take(file, folder))
        yield
        if not _is_at(file, folder / LOCK_FILE):
            raise UserError(
                f"{folder} was removed or replaced while the training ran: {LOG_FILE}, "
                f"{CONFIG_FILE} and what was written before are lost; what came later is there"
            )


def _lock_soon(file: IO[str]) -> None:
    """Lock it; whoever asks `is_held` holds it himself for an instant."""
    try:
        try_to_lock(file)
    except (BlockingIOError, PermissionError):
        time.sleep(_AGAIN_S)
        try_to_lock(file)


def _take(file: IO[str], folder: Path) -> None:
    _lock(file, folder)
    _sign(file)


def _lock(file: IO[str], folder: Path) -> None:
    if not CAN_LOCK:
        return
    try:
        _lock_soon(file)
    except (BlockingIOError, PermissionError) as error:
        file.seek(0)
        raise UserError(
            f"another training uses {folder} ({file.readline(200).strip()}); wait for its end, or "
            "choose another train.output_dir"
        ) from error
    except OSError as error:
        logger.warning("%s cannot be locked (%s): train there once at a time", folder, error)


def _sign(file: IO[str]) -> None:
    """Say who holds it, and who would start that again."""
    launch = launch_id()
    with writing(file.name):
        file.truncate(0)
        file.write(f"process {os.getpid()} on {socket.gethostname()}\n")
        file.write(f"{_LAUNCHED}{launch}\n" if launch else "")
        file.flush()


def launcher_of(folder: Path) -> str | None:
    """The `launch_id` of the last training in a folder; None if it had none."""
    try:
        lines = (folder / LOCK_FILE).read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return None
    return next((x.removeprefix(_LAUNCHED) for x in lines if x.startswith(_LAUNCHED)), None)


def _is_at(file: IO[str], path: Path) -> bool:
    """Whether an open file is what the path leads to."""
    try:
        return os.path.samestat(os.fstat(file.fileno()), path.stat())
    except OSError:
        return False


@contextmanager
def logging_to(folder: Path, fresh: bool = False) -> Generator[None]:
    """Log of the package on stderr and in `log.txt`; of other processes only warnings.

    These go to `log.process<N>.txt` besides, which is there only if there were some.

    Args:
        folder: of the run.
        fresh: begin `log.txt` anew instead of adding to it.

    Raises:
        UserError: `log.txt` cannot be opened; or, when the block has ended without an error, some
            of it could not be written.
    """
    log = _open(folder, fresh)
    with _logging(log):
        yield
    log.raise_failure()


@contextmanager
def logging_later() -> Generator[Callable[[Path], None]]:
    """`logging_to` a folder that is made later, or never: until then the lines of the file wait.

    Yields:
        What to call with the folder as soon as it is there.

    Raises:
        UserError: see `logging_to`.
    """
    log = _WaitingLog()
    with _logging(log):
        yield log.begin
    log.raise_failure()


def _open(folder: Path, fresh: bool = False) -> _LogFile:
    name = LOG_FILE if is_main() else LOG_OF_PROCESS.format(rank())
    return _LogFile(folder / name, "w" if fresh else "a", delay=not is_main())


@contextmanager
def _logging(log: logging.Handler) -> Generator[None]:
    """Messages of the package go to stderr and to `log`."""
    package = logging.getLogger("aligndetr")
    handlers: list[logging.Handler] = [_CurrentStderr(), log]
    if not is_main():
        for handler in handlers:
            handler.setLevel(logging.WARNING)
    prefix = "" if is_main() else f"[process {rank()}] "
    for handler in handlers:
        words = f"[%(asctime)s] {prefix}%(kind)s%(message)s"
        handler.setFormatter(_Formatter(words, "%H:%M:%S"))
    level = package.level
    package.setLevel(logging.INFO)
    for handler in handlers:
        package.addHandler(handler)
    try:
        yield
    finally:
        package.setLevel(level)
        for handler in handlers:
            package.removeHandler(handler)
            handler.close()


class _Formatter(logging.Formatter):
    """Tells warnings and errors from what is as it should be."""

    _KINDS = ((logging.ERROR, FAILED), (logging.WARNING, WARNED), (logging.NOTSET, ""))

    def format(self, record: logging.LogRecord) -> str:
        """Fill in `kind`."""
        record.kind = next(kind for level, kind in self._KINDS if record.levelno >= level)
        return super().format(record)


class _LogFile(logging.FileHandler):
    """A file that may become impossible to write to while a run goes on."""

    def __init__(self, path: Path, mode: str, delay: bool) -> None:
        self.failure: OSError | None = None
        with writing(path):
            super().__init__(path, mode, encoding="utf-8", delay=delay)

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802
        """Say it once."""
        error = sys.exc_info()[1]
        if not isinstance(error, OSError):
            super().handleError(record)
        elif self.failure is None:
            self.failure = error
            print(f"warning: {self._sentence(error)}", file=sys.stderr)

    def close(self) -> None:
        """Close; what is left cannot be written either."""
        try:
            super().close()
        except OSError as error:
            self.failure = self.failure or error

    def raise_failure(self) -> None:
        """Raise a UserError if the file is not complete."""
        if self.failure is not None:
            raise UserError(self._sentence(self.failure))

    def _sentence(self, failure: OSError) -> str:
        reason = reason_and_remedy(failure)
        return f"cannot write {self.baseFilename}: {reason}. The log is complete on stderr only"


class _WaitingLog(logging.Handler):
    """Keeps what is logged until it is told the folder of `log.txt`."""

    def __init__(self) -> None:
        super().__init__()
        self._file: _LogFile | None = None
        self._waiting: list[logging.LogRecord] = []

    def begin(self, folder: Path) -> None:
        """Write there what has waited, and everything from now on."""
        self._file = _open(folder)
        self._file.setFormatter(self.formatter)
        for record in self._waiting:
            self._file.emit(record)
        self._waiting.clear()

    def emit(self, record: logging.LogRecord) -> None:
        if self._file is None:
            self._waiting.append(record)
        else:
            self._file.emit(record)

    def close(self) -> None:
        if self._file is not None:
            self._file.close()
        super().close()

    def raise_failure(self) -> None:
        """Raise a UserError if the file is not complete."""
        if self._file is not None:
            self._file.raise_failure()


class _CurrentStderr(logging.StreamHandler):
    """Writes to what sys.stderr is now, so that lines appear above a progress bar."""

    def __init__(self) -> None:
        logging.Handler.__init__(self)

    # the base writes to a stream of its own, `setStream` replaces it: nobody calls that here
    @property
    def stream(self) -> TextIO:  # ty: ignore[incompatible-property-override]
        return sys.stderr
