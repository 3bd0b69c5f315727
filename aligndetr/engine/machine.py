"""What a training runs on, kept beside its results."""

from __future__ import annotations

import datetime
import json
import os
import platform
import shlex
import sys
from pathlib import Path

import torch
from torch import nn

from aligndetr import __version__
from aligndetr.distributed import world_size
from aligndetr.evaluation.run_files import ENVIRONMENT_FILE
from aligndetr.files import atomic_write


def write_environment(folder: Path, model: nn.Module) -> None:
    """Versions, machine, size of the model and the command, as `environment.json`.

    Args:
        folder: of the run.
        model: that is trained, on its device.
    """
    with atomic_write(folder / ENVIRONMENT_FILE) as file:
        json.dump(describe_environment(model), file, indent=1)


def describe_environment(model: nn.Module) -> dict[str, str | int]:
    """See `write_environment`."""
    parameters = list(model.parameters())
    return {
        "aligndetr": __version__,
        "torch": torch.__version__,
        "python": platform.python_version(),
        "platform": platform.platform(),
        "processor": f"{os.cpu_count()} cores, {platform.machine()}",
        "device": _device_name(parameters[0].device if parameters else torch.device("cpu")),
        "processes": world_size(),
        "parameters": sum(parameter.numel() for parameter in parameters),
        "trained_parameters": sum(p.numel() for p in parameters if p.requires_grad),
        "started": datetime.datetime.now().astimezone().isoformat(timespec="seconds"),
        "command": _command(),
    }


def _command() -> str:
    """What was typed, so that it can be typed again in a shell."""
    program, *words = sys.argv or [""]
    path = Path(program)
    started_as_module = path.name == "__main__.py"
    return shlex.join([path.parent.name if started_as_module else path.name, *words])


def _device_name(device: torch.device) -> str:
    return torch.cuda.get_device_name(device) if device.type == "cuda" else device.type
