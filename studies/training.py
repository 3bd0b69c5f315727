"""One run of a study: started, picked up where it stopped, or read when it is finished."""

from __future__ import annotations

import copy
import hashlib
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from omegaconf import DictConfig

from aligndetr.config import LazyConfig, instantiate
from aligndetr.engine.checkpoint import load_model_file
from aligndetr.engine.run import TrainingInterrupted, train
from aligndetr.errors import CheckpointError, UserError
from aligndetr.files import atomic_write

FINISHED, PLANNED, START = "finished.json", "planned.txt", "start.pth"
BACKBONE = "backbone."
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


def run(config: DictConfig, folder: Path, start: Path | None = None) -> dict[str, Any]:
    """Train and evaluate, unless that is done already.

    Args:
        config: the run's; not changed.
        folder: of the run. What an interrupted run left there is continued.
        start: checkpoint whose backbone the run starts from.

    Returns:
        `results` by task and metric, and `cpu_seconds`, None if the run was interrupted.

    Raises:
        UserError: the folder belongs to a run with another config.
    """
    text = LazyConfig.to_py(config)
    if start is not None:
        text += f"# starts from {hashlib.sha256(start.read_bytes()).hexdigest()}\n"
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
    if start is not None:
        config.train.init_checkpoint = str(backbone_of(start, config.model, folder / START))
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


def backbone_of(checkpoint: Path, model: DictConfig, path: Path) -> Path:
    """Write the backbone of a checkpoint, and nothing else of it, to a file of its own.

    Args:
        checkpoint: of a detector.
        model: config of the model that takes it.
        path: of the new file, which is returned.

    Raises:
        CheckpointError: a tensor of the backbone is missing there.
    """
    stored = load_model_file(checkpoint)["model"]
    wanted = [f"{BACKBONE}{name}" for name in instantiate(model.backbone).state_dict()]
    missing = sorted(set(wanted) - stored.keys())
    if missing:
        raise CheckpointError(f"{checkpoint} has no {missing[0]}: was it trained with dino_tiny?")
    with atomic_write(path, "wb") as file:
        torch.save({"model": {name: stored[name] for name in wanted}}, file)
    return path
