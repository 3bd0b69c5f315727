"""How long steps take."""

from __future__ import annotations

import logging
import time

import torch

from aligndetr.engine.hooks.base import Hook

logger = logging.getLogger(__name__)


class IterationTimer(Hook):
    """Records `time`, seconds of a step without other hooks, and the GPU's memory; sums up at
    the end.

    Args:
        warmup: steps at the start that the final figures leave out.
    """

    def __init__(self, warmup: int = 3) -> None:
        self.warmup = warmup

    def before_train(self) -> None:
        """Start the clock."""
        self._start = self._step_start = time.perf_counter()
        self._steps: list[float] = []

    def before_step(self) -> None:
        """Start a step."""
        self._step_start = time.perf_counter()

    def after_step(self) -> None:
        """Record the step."""
        seconds = time.perf_counter() - self._step_start
        self._steps.append(seconds)
        self.trainer.storage.put_scalar("time", seconds)
        if torch.cuda.is_initialized():
            gigabytes = torch.cuda.max_memory_allocated() / 2**30
            self.trainer.storage.put_scalar("max_memory_gb", gigabytes, smoothing=False)

    def after_train(self) -> None:
        """Log the average speed and what hooks cost."""
        steps = self._steps[self.warmup :]
        if steps:
            total = time.perf_counter() - self._start
            logger.info(
                "%d iterations in %.0f s, %.4f s each; %.0f s in all with everything around them",
                len(self._steps),
                sum(self._steps),
                sum(steps) / len(steps),
                total,
            )
