"""`metrics.json`: a JSON object a line."""

from __future__ import annotations

import json
import math
import os
from pathlib import Path

from aligndetr.engine.events import EventStorage
from aligndetr.files import atomic_write


class JSONLinesWriter:
    """Appends the numbers recorded since the last line, with their `iteration`.

    Args:
        path: the file. Lines of a previous run are kept up to `start_iter`, so that a resumed
            training has each iteration once; a line that a kill cut short is dropped.
        start_iter: the first iteration that will be written.
    """

    def __init__(self, path: str | os.PathLike, start_iter: int = 0) -> None:
        self.path = Path(path)
        kept = [line for line in self._lines() if _iteration(line) < start_iter]
        with atomic_write(self.path) as file:
            file.writelines(f"{line}\n" for line in kept)
        self._next = start_iter

    def write(self, storage: EventStorage, iteration: int) -> None:
        """Append a line."""
        values = {
            name: value if math.isfinite(value) else None
            for name, (value, recorded) in storage.smoothed().items()
            if recorded >= self._next
        }
        self._next = iteration + 1
        with open(self.path, "a", encoding="utf-8") as file:
            file.write(json.dumps({"iteration": iteration, **values}) + "\n")

    def close(self) -> None:
        """Nothing is open between two lines."""

    def _lines(self) -> list[str]:
        return self.path.read_text(encoding="utf-8").splitlines() if self.path.is_file() else []


def _iteration(line: str) -> float:
    try:
        return int(json.loads(line)["iteration"])
    except (ValueError, KeyError, TypeError):
        return math.inf
