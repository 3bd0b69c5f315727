"""When checkpoints are written."""

from __future__ import annotations

import logging
from typing import Any

from aligndetr.distributed import world_size
from aligndetr.engine.checkpoint import Checkpointer
from aligndetr.engine.hooks.base import Hook, is_due
from aligndetr.engine.hooks.metric import Metric, stored_best

logger = logging.getLogger(__name__)


class PeriodicCheckpointer(Hook):
    """Writes `model_<iteration>.pth` every `period` steps and `model_final.pth` at the end.

    Also when training ends early: asked to stop, or by a failure (then what was reached before
    the step that failed), so that `--resume` goes on. Register it after all hooks whose state it
    should save.

    Args:
        checkpointer: writes the files.
        period: 0 writes only at the end.
    """

    def __init__(self, checkpointer: Checkpointer, period: int) -> None:
        self.checkpointer = checkpointer
        self.period = period
        self._saved: int | None = None

    def after_step(self) -> None:
        """Write when it is time; the last step is left to `after_train`."""
        last = self.trainer.iter + 1 >= self.trainer.max_iter
        if is_due(self.trainer.iter, self.period) and not last:
            self._save(self.trainer.iter)

    def after_train(self) -> None:
        """Write what was reached."""
        trainer = self.trainer
        done = trainer.completed - 1
        if trainer.failure is None and done + 1 == trainer.max_iter > trainer.start_iter:
            self.checkpointer.save("model_final", iteration=done)
            self.checkpointer.finish()
            return
        # a process that failed alone cannot gather what the others know
        lost = trainer.failure is not None and world_size() > 1
        aborted = isinstance(trainer.failure, KeyboardInterrupt)
        if done >= trainer.start_iter and done != self._saved and not (lost or aborted):
            path = self._save(done)
            self.checkpointer.finish()
            logger.info("what was reached is saved in %s; --resume goes on from there", path)

    def _save(self, iteration: int):
        self._saved = iteration
        return self.checkpointer.save(f"model_{iteration:07d}", iteration=iteration)


class BestCheckpointer(Hook):
    """Writes `model_best.pth` whenever a metric reaches a new best value.

    Register it after the hook that records the metric, and after all whose state it should save:
    a training may go on from this file.

    Args:
        checkpointer: writes the file.
        metric: name in the event storage, such as "bbox/AP".
        larger_is_better: False for losses.
    """

    def __init__(
        self, checkpointer: Checkpointer, metric: str = "bbox/AP", larger_is_better: bool = True
    ) -> None:
        self.checkpointer = checkpointer
        self.metric = Metric(metric, larger_is_better)
        self.best: float | None = None
        self.best_iteration: int | None = None

    def after_step(self) -> None:
        """Compare, if this step was evaluated."""
        value = self.metric.recorded(self.trainer.storage)
        if value is not None and self.metric.is_better(value, self.best):
            self._save(value, self.trainer.iter)

    def _save(self, value: float, iteration: int) -> None:
        before = self.best, self.best_iteration
        self.best, self.best_iteration = value, iteration
        try:
            path = self.checkpointer.save("model_best", iteration=iteration, is_last=False)
        except BaseException:
            self.best, self.best_iteration = before  # no file has the new one
            raise
        logger.info("%s %.2f is the best so far -> %s", self.metric.name, value, path)

    def state_dict(self) -> dict[str, Any]:
        """Best value and its iteration."""
        return {"best": self.best, "best_iteration": self.best_iteration}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restore both.

        Raises:
            CheckpointError: the best value is no number.
        """
        self.best, self.best_iteration = stored_best(state_dict), state_dict["best_iteration"]
