"""Training ends when it no longer helps."""

from __future__ import annotations

from typing import Any

from aligndetr.engine.hooks.base import Hook


class EarlyStopping(Hook):
    """Stops when a metric has not risen for a number of evaluations.

    Register it after the hook that records the metric.

    Args:
        metric: name in the event storage, such as "bbox/AP".
        patience: evaluations without a new best value.
        larger_is_better: False for losses.
    """

    def __init__(self, metric: str, patience: int, larger_is_better: bool = True) -> None:
        self.metric = metric
        self.patience = patience
        self.sign = 1.0 if larger_is_better else -1.0
        self.best: float | None = None
        self.waited = 0

    def after_step(self) -> None:
        """Compare, if this step was evaluated."""
        value, iteration = self.trainer.storage.last(self.metric)
        if value is None or iteration != self.trainer.iter:
            return
        if self.best is None or self.sign * value > self.sign * self.best:
            self.best, self.waited = value, 0
            return
        self.waited += 1
        if self.waited >= self.patience:
            self.trainer.stop(
                f"{self.metric} has not been better than {self.best:.4g} for {self.waited} "
                "evaluations (train.early_stopping.patience)"
            )

    def state_dict(self) -> dict[str, Any]:
        """Best value and how long ago it was."""
        return {"best": self.best, "waited": self.waited}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restore both."""
        self.best, self.waited = state_dict["best"], state_dict["waited"]
