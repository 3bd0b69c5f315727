"""How much memory there is, and how much this process took at most."""

from __future__ import annotations

import re
import resource
import sys
from pathlib import Path

import torch

from aligndetr.errors import UserError
from aligndetr.runtime.prediction.affordable import available_memory

_UNITS = {"M": 10**6, "G": 10**9, "MI": 2**20, "GI": 2**30}
_STATUS = Path("/proc/self/status")


def peak_memory() -> dict[str, float]:
    """GiB by name, so far: `max_memory_gb` on the GPU, if there is one, and `max_cpu_memory_gb`.

    The latter is of this process without those that load data, and missing where the system is
    not Linux.
    """
    found = {}
    if torch.cuda.is_initialized():
        found["max_memory_gb"] = torch.cuda.max_memory_allocated() / 2**30
    if resident := _kilobytes(_STATUS, "VmHWM"):
        found["max_cpu_memory_gb"] = resident / 2**20  # of KiB
    return found


def peak_bytes(device: torch.device) -> int:
    """Bytes, the most that this process had: of tensors on a GPU, or resident on the CPU.

    Linux's `ru_maxrss` is no substitute: it counts the parent's memory, from before the exec.
    """
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    if resident := _kilobytes(_STATUS, "VmHWM"):
        return resident * 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def free_memory(device: torch.device) -> int:
    """Bytes that this process could still take."""
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0]
    return available_memory()


def read_memory(text: str) -> int:
    """Bytes of a text such as 8GB or 8G (8e9), or 7.5 GiB (7.5 * 2^30).

    Raises:
        UserError: it is none.
    """
    found = re.fullmatch(r"(\d+(?:\.\d+)?) ?([MG]I?)B?", text.strip().upper())
    if found is None or not float(found[1]):
        raise UserError(f"{text!r} is no amount of memory; write one like 8GB or 500MB")
    return int(float(found[1]) * _UNITS[found[2]])


def _kilobytes(file: Path, key: str) -> int:
    """0 where the system, not being Linux, does not say."""
    if not file.is_file():
        return 0
    sizes = dict(line.split(":", 1) for line in file.read_text(encoding="utf-8").splitlines())
    return int(sizes[key].split()[0]) if key in sizes else 0
