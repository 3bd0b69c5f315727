"""What depends on shapes alone, computed once a shape."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Any

import torch

from aligndetr.layers.tracing import is_tracing


class ShapeCache:
    """Remembers results for the last few keys.

    A result must be a function of its key: shapes, dtype and device, never parameters or pixels.
    While a program is being traced nothing is remembered, as its tensors are no data.

    Args:
        size: keys that are remembered.
    """

    def __init__(self, size: int = 4) -> None:
        self.size = size
        self._results: dict[Hashable, Any] = {}

    def __call__(self, key: Hashable, compute: Callable[[], Any]) -> Any:
        """The result for `key`, from `compute` if it is not remembered."""
        if is_tracing():
            return compute()
        if key not in self._results:
            # Results of inference mode could not take part in a later training step.
            with torch.inference_mode(False), torch.no_grad():
                result = compute()
            while len(self._results) >= self.size:
                del self._results[next(iter(self._results))]
            self._results[key] = result
        self._results[key] = self._results.pop(key)  # the last used one goes last
        return self._results[key]

    def __reduce__(self):
        return ShapeCache, (self.size,)  # copies of a model start with an empty one
