"""The moving average follows the model."""

from __future__ import annotations

from typing import Any

from aligndetr.distributed import unwrap
from aligndetr.engine.hooks.base import Hook
from aligndetr.modeling.ema import ModelEMA


class EMAHook(Hook):
    """Updates a moving average after each step; the average itself is saved as `ema`.

    Args:
        ema: of the trainer's model.
    """

    def __init__(self, ema: ModelEMA) -> None:
        self.ema = ema

    def after_step(self) -> None:
        """Update."""
        self.ema.update(unwrap(self.trainer.model))

    def state_dict(self) -> dict[str, Any]:
        """The number of updates, on which the decay depends."""
        return {"updates": self.ema.updates}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restore the number of updates."""
        self.ema.updates = state_dict["updates"]
