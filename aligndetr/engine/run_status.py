"""What a run's folder says at a moment: whether it trains, how far it is, what it warned of."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from aligndetr.engine.run_folder import FAILED, WARNED
from aligndetr.evaluation.run_files import (
    CONFIG_FILE,
    FINAL_WEIGHTS,
    LOG_FILE,
    METRICS_FILE,
    RESULTS_FILE,
    is_held,
)
from aligndetr.evaluation.runs import FINISHED, RUNNING, ListedRun, read_run

NOT_BEGUN, STARTING, STOPPED, DEAD = "not begun", "starting", "stopped", "dead"
ENDED = (FINISHED, STOPPED, DEAD)
_FILES = (METRICS_FILE, LOG_FILE, CONFIG_FILE, RESULTS_FILE, FINAL_WEIGHTS)
_STOP = re.compile(r"^\[[\d:]+\] stopped after iteration \d+: (.*)$", re.MULTILINE)
_WARNING = re.compile(rf"^\[[\d:]+\] (?:{WARNED}|{FAILED}).*$", re.MULTILINE)


@dataclass
class RunStatus:
    """A run as its files show it.

    Attributes:
        folder: of the run.
        state: "not begun", "starting" (nothing recorded yet), "running", "finished", "stopped" (its
            log says why) or "dead" (no process holds the folder, and the log does not say why).
        run: what is recorded; None if nothing is there.
        reason: why it was stopped, or "".
        warnings: lines of the log, the last ones last.
        written: when something was last written, in seconds since 1970; None: never.
    """

    folder: Path
    state: str
    run: ListedRun | None = None
    reason: str = ""
    warnings: list[str] = field(default_factory=list)
    written: float | None = None

    @property
    def latest(self) -> Mapping[str, tuple[float, int]]:
        """(last value, its iteration) of every metric."""
        metrics = {} if self.run is None else self.run.metrics
        return {name: (float(v[-1]), int(at[-1])) for name, (at, v) in metrics.items()}

    @property
    def age(self) -> float:
        """Seconds since something was written."""
        return 0.0 if self.written is None else max(0.0, time.time() - self.written)


class RunFollower:
    """Reads a run again and again, and its files only if they have changed.

    Args:
        folder: of the run; need not be there yet.
    """

    def __init__(self, folder: str | os.PathLike) -> None:
        self.folder = Path(folder).expanduser()
        self._seen: tuple | None = None
        self._status = RunStatus(self.folder, NOT_BEGUN)

    def status(self) -> RunStatus:
        """The present one; files that are just being written are read as far as they are."""
        held = is_held(self.folder)
        stats = [_stat(self.folder / name) for name in _FILES]
        # two equal stat results may differ by less than a second
        seen = (held, *(s and (s.st_mtime_ns, s.st_size, s.st_ino) for s in stats))
        if seen != self._seen:
            self._seen = seen
            self._status = _read(self.folder, held)
            self._status.written = max((s.st_mtime for s in stats[:2] if s), default=None)
        return self._status


def _stat(path: Path) -> os.stat_result | None:
    try:
        return path.stat()
    except OSError:
        return None


def _read(folder: Path, held: bool) -> RunStatus:
    if not any((folder / name).is_file() for name in _FILES):
        return RunStatus(folder, STARTING if held else NOT_BEGUN)
    run = read_run(folder)
    try:
        log = (folder / LOG_FILE).read_text(encoding="utf-8", errors="replace")
    except OSError:
        log = ""
    status = RunStatus(folder, RUNNING, run, warnings=_WARNING.findall(log))
    if held:
        status.state = RUNNING if run.metrics else STARTING
    elif run.state == FINISHED:
        status.state = FINISHED
    else:
        stops = list(_STOP.finditer(log))
        said = bool(stops) and "\n[" not in log[stops[-1].end() :]
        status.state, status.reason = (STOPPED, stops[-1][1]) if said else (DEAD, "")
    return status
