"""Buffers that a forward changes, such as BatchNorm's statistics, as they were before a step."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Generator
from contextlib import contextmanager

import torch
from torch import Tensor, nn


class BufferBackup:
    """A second copy of all buffers that a checkpoint holds.

    Weights need none: only the optimizer changes them, in place, after all checks.

    Args:
        model: on the device where it stays.
    """

    def __init__(self, model: nn.Module) -> None:
        saved = model.state_dict().keys()
        groups: defaultdict[tuple, list[Tensor]] = defaultdict(list)
        for name, buffer in model.named_buffers():
            if name in saved:
                groups[buffer.device, buffer.dtype].append(buffer)
        self._pairs = [(group, [torch.empty_like(b) for b in group]) for group in groups.values()]

    @contextmanager
    def restored_on_failure(self) -> Generator[None]:
        """If the block fails, the buffers are what they were before it."""
        with torch.no_grad():
            for buffers, copies in self._pairs:
                torch._foreach_copy_(copies, buffers)
        try:
            yield
        except BaseException:
            with torch.no_grad():
                for buffers, copies in self._pairs:
                    torch._foreach_copy_(buffers, copies)
            raise
