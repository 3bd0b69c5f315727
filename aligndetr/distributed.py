"""What a process needs to know about the others; without torch.distributed all of it is trivial."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, cast

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from aligndetr.errors import UserError


@dataclass
class Attendance:
    """How far this process is in the sequence of what all processes do together.

    Attributes:
        count: how many of these it has come to; the same on all processes that are equally far.
        name: of the last one.
        since: when it came there (`time.monotonic`), or None: nobody is being waited for.
    """

    count: int = 0
    name: str = "the start"
    since: float | None = None


attendance = Attendance()


@contextmanager
def together(name: str) -> Generator[None]:
    """Around what every process takes part in, or all others wait for it; may be nested.

    A process that does not come is then told from those that wait, see `engine.hang_watch`.

    Args:
        name: what it is, for people.
    """
    outer = attendance.since
    attendance.count += 1
    attendance.name = name
    attendance.since = outer or time.monotonic()
    try:
        yield
    finally:
        attendance.since = outer


def _active() -> bool:
    return dist.is_available() and dist.is_initialized()


def world_size() -> int:
    """Number of processes that train together."""
    return dist.get_world_size() if _active() else 1


def rank() -> int:
    """Index of this process, from 0."""
    return dist.get_rank() if _active() else 0


def is_main() -> bool:
    """Whether this process writes files and prints."""
    return rank() == 0


def all_reduce_sum(tensor: Tensor) -> Tensor:
    """Sum of a tensor over all processes; the argument is not changed.

    Args:
        tensor: any shape, the same on each process, on the device of the backend.
    """
    if world_size() == 1:
        return tensor
    total = tensor.clone()
    with together("a sum over all processes"):
        dist.all_reduce(total)
    return total


def all_gather_object(value: Any) -> list[Any]:
    """The values of all processes, by rank; any picklable value."""
    if world_size() == 1:
        return [value]
    values: list[Any] = [None] * world_size()
    with together("an exchange of values"):
        dist.all_gather_object(values, value)
    return values


def broadcast_object(value: Any) -> Any:
    """The value of the main process, on every process; any picklable value."""
    if world_size() == 1:
        return value
    values = [value]
    with together("what the main process tells"):
        dist.broadcast_object_list(values, src=0)
    return values[0]


def barrier() -> None:
    """Wait until every process is here."""
    if world_size() > 1:
        with together("a barrier"):
            dist.barrier()


def on_main(action: Callable[[], Any]) -> Any:
    """Let the main process do something; every process must call it, and knows how it went.

    Args:
        action: called in the main process; returns something picklable.

    Returns:
        What `action` returned, on every process.

    Raises:
        UserError: that of `action`, on every process.
    """
    outcome = None
    if is_main():
        try:
            outcome = action()
        except UserError as error:
            outcome = error
    outcome = broadcast_object(outcome)
    if isinstance(outcome, UserError):
        outcome.of_all = True
        raise outcome
    return outcome


def unwrap(model: nn.Module) -> nn.Module:
    """The model itself, without the wrapper that synchronises its gradients."""
    return model.module if isinstance(model, DistributedDataParallel) else model


def local(tensor: Tensor) -> Tensor:
    """The part of a sharded tensor that this process holds; of any other all of it."""
    return cast(Any, tensor).to_local() if hasattr(tensor, "to_local") else tensor


def whole(tensor: Tensor) -> Tensor:
    """All of a sharded tensor; every process must call it."""
    return cast(Any, tensor).full_tensor() if hasattr(tensor, "full_tensor") else tensor


def backend_for(device: torch.device) -> str:
    """The communication library for tensors on `device`."""
    return "nccl" if device.type == "cuda" else "gloo"


@contextmanager
def main_first() -> Generator[None]:
    """The main process runs the block before all others, so that they find what it made."""
    if not is_main():
        barrier()
    yield
    if is_main():
        barrier()
