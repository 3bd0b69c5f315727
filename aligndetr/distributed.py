"""What a process needs to know about the others; without torch.distributed all of it is trivial."""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from aligndetr.errors import UserError


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
    dist.all_reduce(total)
    return total


def all_gather_object(value: Any) -> list[Any]:
    """The values of all processes, by rank; any picklable value."""
    if world_size() == 1:
        return [value]
    values: list[Any] = [None] * world_size()
    dist.all_gather_object(values, value)
    return values


def broadcast_object(value: Any) -> Any:
    """The value of the main process, on every process; any picklable value."""
    if world_size() == 1:
        return value
    values = [value]
    dist.broadcast_object_list(values, src=0)
    return values[0]


def barrier() -> None:
    """Wait until every process is here."""
    if world_size() > 1:
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
        raise outcome
    return outcome


def unwrap(model: nn.Module) -> nn.Module:
    """The model itself, without the wrapper that synchronises its gradients."""
    return model.module if isinstance(model, DistributedDataParallel) else model


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
