"""Time alternatives side by side, and say on what machine."""

import ctypes
import json
import os
import platform
import statistics
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch

from aligndetr.files import atomic_write


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
) -> dict[str, list[float]]:
    """Run the candidates in turns, A B C A B C ..., after a warm-up of one turn.

    On a machine that others use too, neighbours in time see the same disturbance, so that ratios
    are steadier than times. `time.process_time` as the clock counts what all threads of this
    process work, whatever others do.

    Returns:
        Milliseconds of every run of every candidate.
    """
    times: dict[str, list[float]] = {name: [] for name in candidates}
    for turn in range(repeats + 1):
        for name, run in candidates.items():
            start = clock()
            run()
            if device == "cuda":
                torch.cuda.synchronize()
            if turn:
                times[name].append((clock() - start) * 1e3)
    return times


def summarise(times: Mapping[str, list[float]], baseline: str) -> list[dict[str, Any]]:
    """Median, spread and the median of the ratios to the baseline's run of the same turn."""
    rows = []
    for name, runs in times.items():
        ratios = [base / own for base, own in zip(times[baseline], runs, strict=True)]
        rows.append(
            {
                "name": name,
                "median_ms": statistics.median(runs),
                "min_ms": min(runs),
                "max_ms": max(runs),
                "speedup": statistics.median(ratios),
            }
        )
    return rows


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


def write_json(path: str | Path, results: Any) -> None:
    """Write results together with the description of the machine."""
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    with atomic_write(path) as file:
        json.dump({"machine": describe_machine(), "results": results}, file, indent=1)
        file.write("\n")
