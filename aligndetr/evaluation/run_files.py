"""The files of a run's folder, and whether a training holds it."""

from __future__ import annotations

from pathlib import Path
from typing import IO

try:
    import fcntl
except ImportError:  # not Unix: nothing is locked
    fcntl = None

CONFIG_FILE, LOG_FILE, METRICS_FILE, LOCK_FILE = "config.yaml", "log.txt", "metrics.json", ".lock"
RESULTS_FILE, ENVIRONMENT_FILE = "results.json", "environment.json"
FINAL_WEIGHTS, BEST_WEIGHTS = "model_final.pth", "model_best.pth"
CAN_LOCK = fcntl is not None


def is_held(folder: Path) -> bool:
    """Whether another process trains there."""
    try:
        file = open(folder / LOCK_FILE, "r+", encoding="utf-8")  # noqa: SIM115
    except OSError:
        return False
    with file:
        try:
            try_to_lock(file)
        except (BlockingIOError, PermissionError):
            return True
        except OSError:
            return False
    return False


def try_to_lock(file: IO[str]) -> None:
    """Lock a file for this process alone, where the system can.

    Raises:
        OSError: another process has it (BlockingIOError, PermissionError), or it cannot be locked.
    """
    if fcntl is not None:
        fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)  # children do not inherit this kind
