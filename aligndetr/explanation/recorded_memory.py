"""How many bytes operations write."""

from __future__ import annotations

import time
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves


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
            known = _storages((args, kwargs))
            self.num_bytes += sum(
                storage.nbytes()
                for address, storage in _storages(result).items()
                if address not in known
            )
            self.seconds += time.perf_counter() - start
        return result


def _storages(things: Any) -> dict[int, torch.UntypedStorage]:
    """The memory of tensors by its address, which views share; sparse ones have none."""
    storages = (
        tensor.untyped_storage()
        for tensor in tree_leaves(things)
        if isinstance(tensor, Tensor) and tensor.layout == torch.strided
    )
    return {storage._cdata: storage for storage in storages}
