"""A run with everything that a report says about it, as far as its folder holds it."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from aligndetr.analysis import Analysis, analyze
from aligndetr.analysis.stored import (
    PREDICTIONS_PLACES,
    dataset_of_run,
    find_predictions,
    objects_of,
    read_predictions,
    records_of,
)
from aligndetr.data import DetectionDataset
from aligndetr.data.records import Record
from aligndetr.errors import DataError, UserError
from aligndetr.evaluation.history import count_not_finite
from aligndetr.evaluation.run_files import (
    CONFIG_FILE,
    ENVIRONMENT_FILE,
    METRICS_FILE,
    RESULTS_FILE,
)
from aligndetr.evaluation.runs import INTERRUPTED, RUNNING, ListedRun, read_run

ROUNDS = 200
T = TypeVar("T")


@dataclass(frozen=True)
class Judged:
    """Stored predictions and what they are worth.

    Attributes:
        dataset: what they are about.
        analysis: of the predictions.
    """

    dataset: DetectionDataset
    analysis: Analysis

    @cached_property
    def records(self) -> list[Record]:
        """Of each image, in the order of `analysis.matches.image_ids`."""
        return records_of(self.dataset, self.analysis.matches)


@dataclass
class ReportedRun:
    """One run.

    Attributes:
        listed: what its config, log and metrics say.
        results: of the last evaluation, by task and metric; empty if there are none.
        environment: what it ran on, as its training wrote it down; empty if it did not.
        judged: None if there are no predictions, or nothing to compare them with.
        notes: sentences on what is missing, and why.
    """

    listed: ListedRun
    results: dict[str, dict[str, float | None]] = field(default_factory=dict)
    environment: dict[str, Any] = field(default_factory=dict)
    judged: Judged | None = None
    notes: list[str] = field(default_factory=list)

    def tried(self, what: str, read: Callable[[], T]) -> T | None:
        """What `read` returns; None, and a note, if it raises a UserError."""
        try:
            return read()
        except UserError as error:
            self.notes.append(f"{what}: {error}")
            return None


def reported_run(
    folder: str | os.PathLike,
    find_dataset: Callable[[Path], DetectionDataset] = dataset_of_run,
    rounds: int = ROUNDS,
    running: bool | None = None,
) -> ReportedRun:
    """A run with the analysis of its predictions.

    The folder may be one of detectron2 or detrex, whose files have the same names.

    Args:
        folder: of the run.
        find_dataset: what its predictions are compared with, given the folder.
        rounds: of the bootstrap, see `analyze`.
        running: see `read_run`.

    Raises:
        UserError: nothing there is of a run. What is there and cannot be used is noted instead.
    """
    run = recorded_run(folder, running)
    path = run.listed.folder

    def judge() -> Judged:
        return judged(find_predictions(path), find_dataset(path), rounds)

    run.judged = run.tried("No analysis of the predictions", judge)
    run.notes += _disagreement(run)
    return run


def recorded_run(folder: str | os.PathLike, running: bool | None = None) -> ReportedRun:
    """A run without an analysis of its predictions.

    Args:
        folder: of the run.
        running: see `read_run`.

    Raises:
        UserError: nothing there is of a run.
    """
    path = Path(folder).expanduser()
    if not path.is_dir():
        raise UserError(f"{folder}: no such folder; give that of a run")
    known = (METRICS_FILE, CONFIG_FILE, RESULTS_FILE, *PREDICTIONS_PLACES)
    if not any((path / name).exists() for name in known):
        raise UserError(f"{folder}: no run there; a run's folder holds {METRICS_FILE}")
    run = ReportedRun(read_run(path, running=running))
    run.results = run.tried("No results", lambda: _tables(path / RESULTS_FILE)) or {}
    run.environment = run.tried("No environment", lambda: _mapping(path / ENVIRONMENT_FILE)) or {}
    run.notes += _remarks(run)
    return run


def judged(predictions: Path, dataset: DetectionDataset, rounds: int = ROUNDS) -> Judged:
    """Compare stored predictions with what is there.

    Raises:
        UserError: they are broken or of other data, or the data cannot be judged like this.
    """
    objects = objects_of(dataset)
    annotations = read_predictions(predictions, objects)
    sizes = {record["image_id"]: (record["width"], record["height"]) for record in dataset}
    of_images = np.array([sizes[image["id"]] for image in objects["images"]])
    return Judged(dataset, analyze(objects, annotations, of_images, rounds))


def _remarks(run: ReportedRun) -> list[str]:
    """What a reader should know before any number."""
    listed, remarks = run.listed, []
    if listed.state == RUNNING:
        remarks.append("The training is not over: all numbers are those of this moment.")
    if listed.state == INTERRUPTED and listed.metrics and listed.planned:
        remarks.append(
            f"The training ended early, after {listed.iterations} of {listed.planned} iterations."
        )
    if not listed.metrics:
        remarks.append(f"No curves: {METRICS_FILE} is missing, or nothing is recorded in it yet.")
    if not listed.config:
        remarks.append(f"No config: {CONFIG_FILE} is missing, or it cannot be read.")
    for name, count in count_not_finite(listed.folder / METRICS_FILE).items():
        values = "value is" if count == 1 else "values are"
        remarks.append(f"{name}: {count} recorded {values} not finite and left out of the curves.")
    return remarks


def _disagreement(run: ReportedRun) -> list[str]:
    """Predictions may be of another evaluation than the results."""
    told = run.results.get("bbox", {}).get("AP")
    if run.judged is None or told is None:
        return []
    found = run.judged.analysis.metrics["AP"]
    if np.isnan(found) or abs(found - told) <= 0.01:
        return []
    return [
        f"{RESULTS_FILE} says AP {told:.2f}, the stored predictions have AP {found:.2f}: they are "
        "of different weights, data or times. The analysis is that of the predictions."
    ]


def _mapping(path: Path) -> dict[str, Any]:
    """The content of a JSON file; empty if there is no file.

    Raises:
        DataError: it is damaged, or holds something else.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, RecursionError) as error:
        raise DataError(f"{path.name} cannot be read: {error}") from error
    if not isinstance(content, dict):
        raise DataError(f"{path.name} holds no JSON object")
    return content


def _tables(path: Path) -> dict[str, dict[str, float | None]]:
    """Metrics by task and name; None is not finite."""
    return {
        task: {
            name: float(value) if np.isfinite(value) else None
            for name, value in metrics.items()
            if isinstance(value, int | float)
        }
        for task, metrics in _mapping(path).items()
        if isinstance(metrics, Mapping)
    }
