"""`metrics.json`: a JSON object a line."""

from __future__ import annotations

import json
import math
import os
from pathlib import Path

from aligndetr.engine.events import EventStorage
from aligndetr.engine.writers.base import Writer
from aligndetr.files import append_line, atomic_write


class JSONLinesWriter(Writer):
    """Appends the numbers recorded since the last line, with their `iteration`.

    Args:
        path: the file. Lines of a previous run are kept up to the first iteration, so that a
            resumed training has each iteration once; a line that a kill cut short, or that is no
            JSON, is dropped.
    """

    def __init__(self, path: str | os.PathLike) -> None:
        self.path = Path(path)

    def start(self, start_iter: int, max_iter: int) -> None:
        """Drop lines that will be written again."""
        super().start(start_iter, max_iter)
        kept = [line for line in self._lines() if _iteration(line) < start_iter]
        with atomic_write(self.path, "wb") as file:
            file.writelines(line + b"\n" for line in kept)

    def write(self, storage: EventStorage, iteration: int) -> None:
        """Append a line."""
        values = {
            name: value if math.isfinite(value) else None
            for name, (value, _) in self.news(storage, iteration).items()
        }
        append_line(self.path, json.dumps({"iteration": iteration, **values}))

    def _lines(self) -> list[bytes]:
        return self.path.read_bytes().splitlines() if self.path.is_file() else []


def _iteration(line: bytes) -> float:
    try:
        return int(json.loads(line)["iteration"])
    except (ValueError, KeyError, TypeError, OverflowError, RecursionError):
        return math.inf
