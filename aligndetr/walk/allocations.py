"""How many bytes operations write."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode


class Allocations(TorchDispatchMode):
    """Counts the memory of tensors that operations create; views and in-place results are none.

    What an operation needs inside itself and frees again is not seen.

    Attributes:
        num_bytes: counted so far.
        seconds: spent counting.
        is_paused: whether operations are those of the observer, and go uncounted.
    """

    def __init__(self) -> None:
        super().__init__()
        self.num_bytes = 0
        self.seconds = 0.0
        self.is_paused = False

    def __torch_dispatch__(self, func, types, args=(), kwargs=None) -> Any:
        kwargs = kwargs or {}
        result = func(*args, **kwargs)
        if not self.is_paused:
            start = time.perf_counter()
            known = {_address(tensor) for tensor in _flat((args, list(kwargs.values())))}
            for tensor in _flat((result,)):
                if (address := _address(tensor)) not in known:
                    known.add(address)
                    self.num_bytes += tensor.untyped_storage().nbytes()
            self.seconds += time.perf_counter() - start
        return result


def _address(tensor: Tensor) -> int:
    """Of the memory that views share."""
    return tensor.untyped_storage()._cdata


def _flat(things: Iterable[Any]) -> Iterator[Tensor]:
    for thing in things:
        if isinstance(thing, Tensor):
            if thing.layout == torch.strided:  # others have no storage of their own
                yield thing
        elif isinstance(thing, list | tuple):
            yield from _flat(thing)
