"""What `aligndetr predict` says while it works: a bar on a terminal, lines elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from .errors import DataError

if TYPE_CHECKING:
    from rich.progress import Progress as Bar

    from .prediction.result import Prediction
    from .prediction.sources import Source
    from .prediction.writers.outputs import Outputs


LINE_EVERY_S = 30.0  # of a video


class Progress:
    """Counts, names and times what is predicted; a context in which it is shown.

    Args:
        sources: all of them.
        folder: what pictures are written to; None: none are.

    Attributes:
        failed: how many sources could not be read, or not to their end.
    """

    def __init__(self, sources: Sequence[Source], folder: Path | None) -> None:
        self.failed = 0
        self._total = len(sources)
        self._folder = folder
        self._begun = self._pictures = self._objects = 0
        self._start = self._said = time.perf_counter()
        self._stack = ExitStack()
        self._bar: Bar | None = None

    def __enter__(self) -> Progress:
        bar = _bar() if sys.stderr.isatty() else None
        if bar is not None:
            self._bar = self._stack.enter_context(bar)
            self._task = self._bar.add_task("predicting", total=self._total, speed="")
        return self

    def __exit__(self, *error: object) -> None:
        self._stack.close()

    def watched(self, sources: Iterable[Source]) -> Iterator[Source]:
        """The sources, counted as they are begun."""
        for source in sources:
            yield source
            self._begun += 1
            if self._bar is not None:
                self._bar.update(self._task, completed=self._begun)

    def show(self, prediction: Prediction) -> None:
        """A picture is done."""
        self._pictures += 1
        self._objects += len(prediction)
        if self._bar is not None:
            self._bar.update(self._task, speed=self._speed())
        elif prediction.picture.frame is None:
            where = f" -> {self._folder / prediction.picture.target}" if self._folder else ""
            number = f"[{self._pictures}/{self._total}]"
            print(
                f"{number} {prediction.picture.name}: {len(prediction)} objects{where}", flush=True
            )
        elif time.perf_counter() - self._said > LINE_EVERY_S:
            self._said = time.perf_counter()
            frame = prediction.picture.frame
            print(f"{frame.video}: frame {frame.index}, {self._speed()}", flush=True)

    def fail(self, name: str, error: DataError) -> None:
        """A source cannot be read; the rest goes on."""
        self.failed += 1
        print(error, file=sys.stderr)

    def summarise(self, outputs: Outputs) -> None:
        """One line about all of it."""
        where = ", ".join(map(str, outputs.paths)) or "nothing"
        counts = f"{self._pictures} images, {self.failed} unreadable, {self._objects} objects"
        print(f"{counts}, {self._speed()}; written: {where}")

    def _speed(self) -> str:
        seconds = time.perf_counter() - self._start
        return f"{self._pictures / seconds:.3g} images/s"


def _bar() -> Bar | None:
    """A bar of rich's; None where that is not installed."""
    try:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
        from rich.progress import Progress as Bar
    except ImportError:
        return None
    speed = TextColumn("{task.fields[speed]}")
    columns = "predicting", BarColumn(), MofNCompleteColumn(), speed, TimeRemainingColumn()
    return Bar(*columns, console=Console(stderr=True), transient=True)
