"""Who started this process, and would start it again if it failed."""

from __future__ import annotations

import os
import socket
from pathlib import Path

LAUNCH = "ALIGNDETR_LAUNCH"
_RESTARTS, _RUN_ID, _UNNAMED = "TORCHELASTIC_RESTART_COUNT", "TORCHELASTIC_RUN_ID", "none"


def launch_id() -> str | None:
    """What all starts by one launcher have in common; None: nobody would start this again.

    The environment variable `ALIGNDETR_LAUNCH` says it, as for a job of Slurm, or torchrun does:
    by its `--rdzv-id`, else by its process.
    """
    if os.environ.get(LAUNCH):
        return os.environ[LAUNCH]
    if _RESTARTS not in os.environ:
        return None
    if _is_named():
        return f"torchrun {os.environ[_RUN_ID]}"
    agent = os.getppid()
    return f"torchrun process {agent} on {socket.gethostname()}, started {_start_of(agent)}"


def may_be_used_again() -> bool:
    """Whether `launch_id` is a name that a person may have given to several trainings."""
    first = os.environ.get(_RESTARTS) == "0"
    return first and _is_named() and not os.environ.get(LAUNCH)


def _is_named() -> bool:
    return os.environ.get(_RUN_ID, _UNNAMED) != _UNNAMED


def _start_of(process: int) -> str:
    """When it was started, so that another one of the same number is told from it."""
    try:
        text = Path(f"/proc/{process}/stat").read_text()
    except OSError:  # not Linux
        return "some time"
    return text.rpartition(")")[2].split()[19]
