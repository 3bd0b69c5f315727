"""Time alternatives side by side, and say on what machine."""

from __future__ import annotations

import ctypes
import os
import platform
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch


def describe_machine() -> dict[str, Any]:
    """Processor, devices, versions and threads: what a number depends on."""
    model = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        lines = [line for line in cpuinfo.read_text().splitlines() if "model name" in line]
        model = lines[0].split(":", 1)[1].strip() if lines else model
    return {
        "cpu": model,
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "devices": [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())],
        "python": platform.python_version(),
        "torch": torch.__version__,
        "system": platform.platform(),
    }


def alternate(
    candidates: Mapping[str, Callable[[], object]],
    repeats: int,
    device: str = "cpu",
    clock: Callable[[], float] = time.perf_counter,
    warm_up: int = 1,
) -> dict[str, list[float]]:
    """Run the candidates in turns, A B C A B C ..., after the turns of a warm-up.

    On a machine that others use too, neighbours in time see the same disturbance, so that ratios
    are steadier than times. `time.process_time` as the clock counts what all threads of this
    process work, whatever others do.

    Returns:
        Milliseconds of every run of every candidate.
    """
    times: dict[str, list[float]] = {name: [] for name in candidates}
    for turn in range(warm_up + repeats):
        for name, run in candidates.items():
            start = clock()
            run()
            if device == "cuda":
                torch.cuda.synchronize()
            if turn >= warm_up:
                times[name].append((clock() - start) * 1e3)
    return times


def peak_memory(run: Callable[[], object]) -> float:
    """MiB by which the resident memory of this process rises during the second call (glibc)."""

    def resident(key: str) -> int:
        lines = Path("/proc/self/status").read_text().splitlines()
        return int(next(line for line in lines if line.startswith(key)).split()[1])

    run()
    # Memory that was freed but kept for later would hide what the next call needs.
    ctypes.CDLL(None).malloc_trim(0)
    before = resident("VmRSS")
    Path("/proc/self/clear_refs").write_text("5")  # forget the peak so far
    run()
    return (resident("VmHWM") - before) / 1024
