"""How much memory a training took at most."""

from __future__ import annotations

from pathlib import Path

import torch

_STATUS = Path("/proc/self/status")


def peak_memory() -> dict[str, float]:
    """GiB by name, so far: `max_memory_gb` on the GPU, if there is one, and `max_cpu_memory_gb`.

    The latter is of this process without those that load data, and missing where the system is
    not Linux.
    """
    found = {}
    if torch.cuda.is_initialized():
        found["max_memory_gb"] = torch.cuda.max_memory_allocated() / 2**30
    if _STATUS.is_file():
        lines = _STATUS.read_text(encoding="utf-8").splitlines()
        sizes = dict(line.split(":", 1) for line in lines)
        if "VmHWM" in sizes:
            found["max_cpu_memory_gb"] = int(sizes["VmHWM"].split()[0]) / 2**20  # of KiB
    return found
