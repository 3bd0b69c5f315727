"""Training ends when it no longer helps."""

from __future__ import annotations

from typing import Any

from aligndetr.engine.checkpoint import stored_count
from aligndetr.engine.hooks.base import Hook
from aligndetr.engine.hooks.metric import Metric, stored_best


class EarlyStopping(Hook):
    """Stops when a metric has not become better for a number of evaluations.

    Register it after the hook that records the metric. Evaluations without a value do not count.

    Args:
        metric: name in the event storage, such as "bbox/AP".
        patience: evaluations without a new best value.
        larger_is_better: False for losses.
    """

    def __init__(self, metric: str, patience: int, larger_is_better: bool = True) -> None:
        self.metric = Metric(metric, larger_is_better)
        self.patience = patience
        self.best: float | None = None
        self.waited = 0

    def after_step(self) -> None:
        """Compare, if this step was evaluated."""
        value = self.metric.recorded(self.trainer.storage)
        if value is None:
            return
        if self.metric.is_better(value, self.best):
            self.best, self.waited = value, 0
            return
        self.waited += 1
        if self.waited >= self.patience:
            self.trainer.stop(
                f"{self.metric.name} has not been better than {self.best:.4g} for {self.waited} "
                "evaluations (train.early_stopping.patience)"
            )

    def state_dict(self) -> dict[str, Any]:
        """Best value and how long ago it was."""
        return {"best": self.best, "waited": self.waited}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restore both.

        Raises:
            CheckpointError: they are no numbers.
        """
        best, waited = stored_best(state_dict), stored_count(state_dict, "waited")
        self.best, self.waited = best, waited
