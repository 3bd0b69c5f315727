"""What a step takes on this machine: the planner's trials of a config that is not yet written."""

from __future__ import annotations

import dataclasses
import tempfile
from functools import partial
from pathlib import Path

from omegaconf import DictConfig

from aligndetr.config import LazyConfig
from aligndetr.engine.planning import plan_training
from aligndetr.errors import UserError
from aligndetr.initial_config.length import Length
from aligndetr.initial_config.machine import Machine


def measure(text: str, machine: Machine, length: Length) -> Length:
    """The length with a step's time, and the batch divided so that it fits.

    Args:
        text: of a config file.
        machine: that trains.
        length: as far as it is known.

    Raises:
        UserError: not even one image at a time fits, or a step fails.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "config.py"
        path.write_text(text, encoding="utf-8")
        planning = plan_training(partial(_load, path))
        proposals = planning.propose(planning.settings[0], machine.memory, machine.memory)
    fitting = [proposal for proposal in proposals if proposal.fits]
    if not fitting:
        raise UserError(
            f"{machine}: not even one image at a time fits into that; give --model a smaller one"
        )
    chosen = fitting[0]
    return dataclasses.replace(length, parts=chosen.parts, step_seconds=chosen.step_seconds)


def _load(path: Path) -> DictConfig:
    return LazyConfig.load(path)
