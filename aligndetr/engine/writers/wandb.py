"""Weights & Biases."""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping
from typing import Any

from aligndetr.engine.events import EventStorage
from aligndetr.engine.writers.base import Writer
from aligndetr.errors import ConfigError


class WandbWriter(Writer):
    """Sends scalars and pictures to wandb.ai; off unless `train.wandb.enabled`.

    Args:
        params: of `wandb.init`, such as project and name.
        config: shown beside the run.

    Raises:
        ConfigError: the package is not installed.
    """

    def __init__(self, params: Mapping[str, Any], config: Mapping[str, Any]) -> None:
        if importlib.util.find_spec("wandb") is None:
            raise ConfigError(
                "train.wandb.enabled is true, but wandb is not installed: pip install wandb, or "
                "train.wandb.enabled=false"
            )
        self.params = dict(params)
        self.config = dict(config)
        self._run: Any = None  # from `start` on

    def start(self, start_iter: int, max_iter: int) -> None:
        """Begin or resume the run."""
        import wandb

        super().start(start_iter, max_iter)
        self._run = wandb.init(**{"resume": "allow", **self.params}, config=self.config)

    def write(self, storage: EventStorage, iteration: int) -> None:
        """Send what was recorded since the last time."""
        import wandb

        values = {name: value for name, (value, _) in self.news(storage, iteration).items()}
        pictures = {name: wandb.Image(pixels) for name, (pixels, _) in storage.pictures.items()}
        self._run.log(values | pictures, step=iteration)

    def close(self) -> None:
        """Finish the run."""
        if self._run is not None:
            self._run.finish()
