"""Records packed into one block of memory that worker processes share."""

from __future__ import annotations

import pickle
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import torch


class PackedRecords:
    """A read-only list of picklable records, held as bytes instead of Python objects.

    A list of dicts is copied page by page into every forked worker, because reading an object
    writes its reference count. Bytes are not; as tensors they are also handed to spawned
    workers through shared memory instead of being copied.

    Args:
        records: anything picklable; they are consumed one at a time.
    """

    def __init__(self, records: Iterable[Any]) -> None:
        parts = [pickle.dumps(record, protocol=pickle.HIGHEST_PROTOCOL) for record in records]
        ends = np.cumsum([0] + [len(part) for part in parts], dtype=np.int64)
        self._bytes = torch.from_numpy(np.frombuffer(bytearray(b"".join(parts)), dtype=np.uint8))
        self._ends = torch.from_numpy(ends)

    def __len__(self) -> int:
        return len(self._ends) - 1

    def __getitem__(self, index: int) -> Any:
        if not -len(self) <= index < len(self):
            raise IndexError(f"record {index} of {len(self)}")
        start, end = self._ends.numpy()[[index % len(self), index % len(self) + 1]]
        return pickle.loads(memoryview(self._bytes.numpy()[start:end]))

    def __iter__(self) -> Iterator[Any]:
        return (self[index] for index in range(len(self)))
