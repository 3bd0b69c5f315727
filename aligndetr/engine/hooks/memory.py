"""Freed memory is kept once all that lives long is there."""

from __future__ import annotations

from aligndetr.engine.allocator import tune_allocator
from aligndetr.engine.hooks.base import Hook


class KeepFreedMemory(Hook):
    """After the first step, which makes the optimizer's state, steps reuse what others freed."""

    def __init__(self) -> None:
        self._done = False

    def after_step(self) -> None:
        """Switch once."""
        if not self._done:
            tune_allocator(frugal=False)
            self._done = True
