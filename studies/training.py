"""One run of a study: started, picked up where it stopped, or read when it is finished."""

from __future__ import annotations

import copy
import hashlib
import json
import time
from pathlib import Path
from typing import Any

from omegaconf import DictConfig
from torch import nn

from aligndetr.config import LazyConfig
from aligndetr.engine.checkpoint import load_model_file
from aligndetr.engine.experiment import train
from aligndetr.errors import CheckpointError, UserError
from aligndetr.files import atomic_write

FINISHED, PLANNED = "finished.json", "planned.txt"
BACKBONE = "backbone."


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
        config.train.init_checkpoint = str(start)
    before = time.process_time()
    results = train(config, resume=True, load_initial=load_backbone)
    seconds = None if resumed else time.process_time() - before
    record = {"results": results, "cpu_seconds": seconds}
    with atomic_write(folder / FINISHED) as file:
        json.dump(record, file)
    return record


def finished(folder: Path) -> dict[str, Any] | None:
    """What `run` returned for this folder; None if it has not finished."""
    path = folder / FINISHED
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else None


def load_backbone(model: nn.Module, path: str) -> str:
    """Take the backbone from a checkpoint and nothing else.

    Raises:
        CheckpointError: a tensor of the backbone is missing there.
    """
    stored = load_model_file(path)["model"]
    wanted = {name for name in model.state_dict() if name.startswith(BACKBONE)}
    missing = sorted(wanted - stored.keys())
    if missing:
        raise CheckpointError(f"{path} has no {missing[0]}: was it trained with dino_tiny?")
    model.load_state_dict({name: stored[name] for name in wanted}, strict=False)
    return f"{len(wanted)} tensors of the backbone from {path}"
