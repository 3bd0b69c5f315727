"""The folder of a run and its log."""

from __future__ import annotations

import logging
import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from aligndetr.distributed import is_main, rank
from aligndetr.errors import UserError

CONFIG_FILE, LOG_FILE, METRICS_FILE = "config.yaml", "log.txt", "metrics.json"


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
def logging_to(folder: Path) -> Iterator[None]:
    """Log of the package on stderr and in `log.txt`; of other processes only warnings."""
    package = logging.getLogger("aligndetr")
    handlers: list[logging.Handler] = [_CurrentStderr()]
    if is_main():
        handlers.append(logging.FileHandler(folder / LOG_FILE, encoding="utf-8"))
    else:
        handlers[0].setLevel(logging.WARNING)
    prefix = "" if is_main() else f"[process {rank()}] "
    handlers[0].setFormatter(logging.Formatter(f"[%(asctime)s] {prefix}%(message)s", "%H:%M:%S"))
    handlers[-1].setFormatter(handlers[0].formatter)
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


class _CurrentStderr(logging.StreamHandler):
    """Writes to what sys.stderr is now, so that lines appear above a progress bar."""

    def __init__(self) -> None:
        logging.Handler.__init__(self)

    @property
    def stream(self) -> TextIO:
        return sys.stderr
