"""`metrics.json`: a JSON object a line."""

from __future__ import annotations

import json
import math
import os
from pathlib import Path

from aligndetr.engine.events import EventStorage
from aligndetr.engine.writers.base import Writer
from aligndetr.files import atomic_write


class JSONLinesWriter(Writer):
    """Appends the numbers recorded since the last line, with their `iteration`.

    Args:
        path: the file. Lines of a previous run are kept up to the first iteration, so that a
            resumed training has each iteration once; a line that a kill cut short is dropped.
    """

    def __init__(self, path: str | os.PathLike) -> None:
        self.path = Path(path)

    def start(self, start_iter: int, max_iter: int) -> None:
        """Drop lines that will be written again."""
        super().start(start_iter, max_iter)
        kept = [line for line in self._lines() if _iteration(line) < start_iter]
        with atomic_write(self.path) as file:
            file.writelines(f"{line}\n" for line in kept)

    def write(self, storage: EventStorage, iteration: int) -> None:
        """Append a line."""
        values = {
            name: value if math.isfinite(value) else None
            for name, (value, _) in self.news(storage, iteration).items()
        }
        with open(self.path, "a", encoding="utf-8") as file:
            file.write(json.dumps({"iteration": iteration, **values}) + "\n")

    def _lines(self) -> list[str]:
        return self.path.read_text(encoding="utf-8").splitlines() if self.path.is_file() else []


def _iteration(line: str) -> float:
    try:
        return int(json.loads(line)["iteration"])
    except (ValueError, KeyError, TypeError):
        return math.inf
