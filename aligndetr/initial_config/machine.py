"""What a training can use of this machine."""

from __future__ import annotations

import os
from dataclasses import dataclass

import torch

from aligndetr.engine.launch import resolve_device
from aligndetr.engine.memory import free_memory


@dataclass(frozen=True)
class Machine:
    """A device and what feeds it.

    Attributes:
        device: of the training.
        name: of the GPU; "CPU" without one.
        cores: that this process may use.
        memory: bytes that are free on the device.
    """

    device: torch.device
    name: str
    cores: int
    memory: int

    @property
    def has_gpu(self) -> bool:
        """Whether there is more than a CPU."""
        return self.device.type == "cuda"

    @property
    def computes_bf16(self) -> bool:
        """Whether bfloat16 is faster here than float32, not only smaller."""
        return self.has_gpu or torch.cpu._is_avx512_bf16_supported()

    @property
    def num_workers(self) -> int:
        """Loading processes: one core stays for the training itself."""
        return min(4, max(self.cores - 1, 0))

    def __str__(self) -> str:
        """`CPU with 2 cores, 22.1 GB free`."""
        cores = f"{self.cores} core{'s' * (self.cores != 1)}"
        return f"{self.name} with {cores}, {self.memory / 1e9:.1f} GB free"


def this_machine() -> Machine:
    """The machine that this process runs on."""
    device = resolve_device("auto")
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else "CPU"
    return Machine(device, name, _cores(), free_memory(device))


def _cores() -> int:
    if hasattr(os, "sched_getaffinity"):  # not everywhere
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
