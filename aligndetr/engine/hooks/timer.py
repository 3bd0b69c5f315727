"""How long steps take."""

from __future__ import annotations

import logging
import time

from aligndetr.engine.hooks.base import Hook
from aligndetr.engine.memory import peak_memory

logger = logging.getLogger(__name__)


class IterationTimer(Hook):
    """Records `time`, seconds of a step without other hooks, and memory; sums up at the end.

    Args:
        batch_size: images of a step, to record `images_per_second` of the last steps; None: not.
        warmup: steps at the start that the final figures leave out.
    """

    def __init__(self, batch_size: int | None = None, warmup: int = 3) -> None:
        self.batch_size = batch_size
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
        storage = self.trainer.storage
        storage.put_scalar("time", seconds)
        storage.put_scalars(peak_memory(), smoothing=False)
        if self.batch_size is not None:
            recent = self._steps[-storage.window :]
            speed = self.batch_size * len(recent) / sum(recent)
            storage.put_scalar("images_per_second", speed, smoothing=False)

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
