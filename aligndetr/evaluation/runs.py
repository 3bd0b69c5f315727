"""The runs below a folder: how far each is, and its key figures."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from aligndetr.config import LazyConfig
from aligndetr.errors import ConfigError, DataError, UserError
from aligndetr.evaluation.comparison import Run
from aligndetr.evaluation.history import read_metrics
from aligndetr.evaluation.run_files import (
    CONFIG_FILE,
    FINAL_WEIGHTS,
    LOG_FILE,
    METRICS_FILE,
    RESULTS_FILE,
    is_held,
)

RUNNING, FINISHED, INTERRUPTED = "running", "finished", "interrupted"
_LENGTH = re.compile(r"^\[[\d:]+\] (?:iter \d+/)?(\d+)(?: iterations(?: =|:)|  )", re.MULTILINE)


@dataclass
class ListedRun(Run):
    """A run with whatever of it can be read.

    Attributes:
        name: its folder, seen from the one that was searched.
        config: its config; empty when that cannot be read.
        planned: iterations that it was to have, None when nothing says so.
        state: "running", "finished" or "interrupted".
    """

    name: str
    config: DictConfig
    planned: int | None
    state: str

    def value(self, key: str) -> Any:
        """A column of the table, the last value of a metric, or an entry of the config; or None."""
        own = {
            "run": lambda: self.name,
            "iter": lambda: self.iterations,
            "AP": lambda: self._last("bbox/AP"),
            "AP50": lambda: self._last("bbox/AP50"),
            "best": lambda: self._last("bbox/AP", max),
            "loss": lambda: self._last("total_loss"),
            "seed": lambda: self.seed,
            "time": self._seconds,
            "state": lambda: self.state,
        }
        if key in own:
            return own[key]()
        return self._last(key) if key in self.metrics else _entry(self.config, key)

    def _last(self, metric: str, choose=lambda values: values[-1]) -> float | None:
        if metric not in self.metrics:
            return None
        values = [value for value in self.metrics[metric][1].tolist() if math.isfinite(value)]
        return choose(values) if values else None

    def _seconds(self) -> float | None:
        """Of all steps; each line has the mean of those before it."""
        if "time" not in self.metrics:
            return None
        return float(self.metrics["time"][1].mean()) * self.iterations


def find_runs(folder: str | os.PathLike) -> list[ListedRun]:
    """Runs in a folder and below, in the order of their names.

    Args:
        folder: of a run, or of runs at any depth.

    Raises:
        UserError: there is no such folder, or no run in it.
    """
    root = Path(folder).expanduser()
    if not root.is_dir():
        raise UserError(f"{folder}: no such folder")
    runs = [read_run(path, root) for path in sorted(_folders(root))]
    if not runs:
        raise UserError(f"{folder}: no run there; a run's folder holds {METRICS_FILE}")
    return runs


def _folders(root: Path) -> Iterator[Path]:
    """One that has not recorded anything yet has a config and a log; evaluations are no runs."""
    for path, _, files in os.walk(root):
        is_evaluation = RESULTS_FILE in files and FINAL_WEIGHTS not in files
        begun = {CONFIG_FILE, LOG_FILE} <= set(files) and not is_evaluation
        if METRICS_FILE in files or begun:
            yield Path(path)


def read_run(folder: Path, root: Path | None = None, running: bool | None = None) -> ListedRun:
    """A run with whatever of it can be read; nothing of it need be there.

    Args:
        folder: of the run.
        root: from where its name is seen; None: its own folder.
        running: whether it still trains; None asks its lock. The process that holds the lock must
            not: to look at it would release it.
    """
    root = folder if root is None else root
    config = _config(folder)
    seed = _entry(config, "train.seed")
    try:
        metrics = read_metrics(folder / METRICS_FILE)
    except DataError:
        metrics = {}
    run = ListedRun(
        folder,
        seed if isinstance(seed, int) else None,
        metrics,
        name=str(folder.relative_to(root)) if folder != root else root.resolve().name,
        config=config,
        planned=_planned(folder, config),
        state="",
    )
    run.state = RUNNING if (is_held(folder) if running is None else running) else _outcome(run)
    return run


def _config(folder: Path) -> DictConfig:
    try:
        return LazyConfig.read(folder / CONFIG_FILE)
    except (ConfigError, OSError):
        return DictConfig({})


def _entry(config: DictConfig, key: str) -> Any:
    try:
        return OmegaConf.select(config, key)
    except (OmegaConfBaseException, ValueError):
        return None


def _planned(folder: Path, config: DictConfig) -> int | None:
    """What the log said last; it knows how large an epoch is."""
    try:
        said = _LENGTH.findall((folder / LOG_FILE).read_text(encoding="utf-8", errors="replace"))
    except OSError:
        said = []
    planned = said[-1] if said else _entry(config, "train.max_iter")
    try:
        return int(planned)
    except (TypeError, ValueError):
        return None


def _outcome(run: ListedRun) -> str:
    if run.planned is None:
        finished = (run.folder / FINAL_WEIGHTS).is_file()
    else:
        finished = run.iterations >= run.planned or _has_ended_early(run.folder)
    return FINISHED if finished else INTERRUPTED


def _has_ended_early(folder: Path) -> bool:
    """Whether results were written after the last metrics, as when it was stopped early."""
    try:
        times = [(folder / name).stat().st_mtime for name in (METRICS_FILE, RESULTS_FILE)]
    except OSError:
        return False
    return times[0] <= times[1]
