"""One run of a study: started, picked up where it stopped, or read when it is finished."""

from __future__ import annotations

import copy
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from omegaconf import DictConfig

from aligndetr.config import LazyConfig
from aligndetr.engine.run import TrainingInterrupted, train
from aligndetr.errors import UserError
from aligndetr.files import atomic_write

FINISHED, PLANNED = "finished.json", "planned.txt"
ONE_PROCESS = (  # whose processor time is then all that a run takes
    "train.num_threads=1",
    "train.eval_period=0",
    "train.checkpointer.period=250",
    "train.checkpointer.max_to_keep=1",
    "dataloader.train.num_workers=0",
    "dataloader.test.num_workers=0",
)


def exit_code(study: Callable[[], None]) -> int:
    """Of a study's command: 0, or what it was interrupted by, or 2 for what the user can mend."""
    try:
        study()
    except TrainingInterrupted as interruption:
        print(interruption, file=sys.stderr)
        return interruption.exit_code
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


def run(config: DictConfig, folder: Path) -> dict[str, Any]:
    """Train and evaluate, unless that is done already.

    Args:
        config: the run's; not changed.
        folder: of the run. What an interrupted run left there is continued.

    Returns:
        `results` by task and metric, and `cpu_seconds`, None if the run was interrupted.

    Raises:
        UserError: the folder belongs to a run with another config.
    """
    text = LazyConfig.to_py(config)
    planned = folder / PLANNED
    resumed = planned.is_file()
    if resumed and planned.read_text(encoding="utf-8") != text:
        raise UserError(f"{folder} holds a run with other settings: remove it, or choose --work")
    record = finished(folder)
    if record is not None:
        return record
    with atomic_write(planned) as file:
        file.write(text)
    config = copy.deepcopy(config)
    config.train.output_dir = str(folder)
    before = time.process_time()
    results = train(config, resume=resumed)
    seconds = None if resumed else time.process_time() - before
    record = {"results": results, "cpu_seconds": seconds}
    with atomic_write(folder / FINISHED) as file:
        json.dump(record, file)
    return record


def finished(folder: Path) -> dict[str, Any] | None:
    """What `run` returned for this folder; None if it has not finished."""
    path = folder / FINISHED
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else None
