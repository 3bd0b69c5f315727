"""How long a training will still take."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Collection

from aligndetr.engine.hooks.base import Hook, is_due

STEPS, PAUSES = 1000, 5  # how many of the last ones are averaged


class TimeLeft(Hook):
    """Records `eta_seconds`, the time until the end, as far as it can be told from the past.

    An iteration is timed as a whole, with all hooks. Those that evaluate, and those that follow a
    checkpoint, are averaged by themselves, and the ones that are still to come are counted. As long
    as none has been timed, `eta_seconds` leaves them out; `eval_seconds`, what an evaluation takes,
    is recorded only from then on. `evaluations_left` is how many are to come.

    Register it behind all that takes time, and before the writers.

    Args:
        eval_period: steps between evaluations, 0: only one at the end; None: there are none.
        checkpoint_period: steps between checkpoints; 0: only one at the end.
    """

    def __init__(self, eval_period: int | None, checkpoint_period: int) -> None:
        self.eval_period = eval_period
        self.checkpoint_period = checkpoint_period

    def before_train(self) -> None:
        """Start the clock."""
        self._mark = time.perf_counter()
        self._steps: deque[float] = deque(maxlen=STEPS)
        self._evaluated: deque[float] = deque(maxlen=PAUSES)
        self._saved: deque[float] = deque(maxlen=PAUSES)

    def after_step(self) -> None:
        """Time the iteration and record what is left; the first one, which prepares, is not."""
        now = time.perf_counter()
        seconds, self._mark = now - self._mark, now
        trainer = self.trainer
        if trainer.iter > trainer.start_iter:
            self._like(trainer.iter).append(seconds)
            trainer.storage.put_scalars(self.estimate(), smoothing=False)

    def estimate(self) -> dict[str, float]:
        """What `after_step` records, by name."""
        done, end = self.trainer.iter + 1, self.trainer.max_iter
        step = _mean(self._steps)
        save = max(0.0, _mean(self._saved) - step) if self._saved else 0.0
        # the checkpoint of this step is written after this hook
        seconds = (end - done) * step + _times(done - 1, end, self.checkpoint_period) * save
        if self.eval_period is None:
            return {"eta_seconds": seconds}
        evaluations = _times(done, end, self.eval_period)
        values = {"eta_seconds": seconds, "evaluations_left": evaluations}
        if self._evaluated:
            values["eval_seconds"] = max(0.0, _mean(self._evaluated) - step)
            values["eta_seconds"] += evaluations * values["eval_seconds"]
        return values

    def _like(self, iteration: int) -> deque[float]:
        """Times of iterations of the same kind as this one."""
        if self.eval_period is not None:
            last = iteration + 1 >= self.trainer.max_iter
            if last or is_due(iteration, self.eval_period):
                return self._evaluated
        return self._saved if is_due(iteration - 1, self.checkpoint_period) else self._steps


def _mean(seconds: Collection[float]) -> float:
    return sum(seconds) / len(seconds) if seconds else 0.0


def _times(done: int, end: int, period: int) -> int:
    """How often something happens after `done` steps, that comes every period and at the end."""
    if done >= end:
        return 0
    return -(-end // period) - done // period if period else 1
