"""Weights & Biases."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aligndetr.engine.events import EventStorage
from aligndetr.errors import ConfigError


class WandbWriter:
    """Sends scalars to wandb.ai; off unless `train.wandb.enabled`.

    Args:
        params: of `wandb.init`, such as project and name.
        config: shown beside the run.
        start_iter: the first iteration that will be written.

    Raises:
        ConfigError: the package is not installed.
    """

    def __init__(
        self, params: Mapping[str, Any], config: Mapping[str, Any], start_iter: int = 0
    ) -> None:
        try:
            import wandb
        except ImportError:
            raise ConfigError(
                "train.wandb.enabled is true, but wandb is not installed: pip install wandb, or "
                "train.wandb.enabled=false"
            ) from None
        self._run = wandb.init(**{"resume": "allow", **params}, config=dict(config))
        self._next = start_iter

    def write(self, storage: EventStorage, iteration: int) -> None:
        """Send what was recorded since the last time."""
        values = {n: v for n, (v, recorded) in storage.smoothed().items() if recorded >= self._next}
        self._next = iteration + 1
        self._run.log(values, step=iteration)

    def close(self) -> None:
        """Finish the run."""
        self._run.finish()
