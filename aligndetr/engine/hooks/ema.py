"""The exponential moving average of a model's weights, and the hook that updates it."""

from __future__ import annotations

import copy
import math
from typing import Any

import torch
from omegaconf import DictConfig, OmegaConf
from torch import Tensor, nn

from aligndetr.distributed import local, unwrap
from aligndetr.engine.checkpoint import load_weights, stored_count
from aligndetr.engine.hooks.base import Hook
from aligndetr.errors import ConfigError


class ModelEMA:
    """A copy of a model that follows it slowly.

    After update t: average = d_t average + (1 - d_t) model, with d_t = decay (1 - exp(-t /
    warmup)), so that the random weights of the start are soon forgotten. Buffers of floating
    point, such as BatchNorm's statistics, are averaged too; others are copied.

    Args:
        model: the model itself, not its distributed wrapper.
        decay: between 0 and 1.
        warmup: updates after which d_t has reached 63 % of `decay`; 0: constant decay.

    Attributes:
        module: the averaged model, in evaluation mode.
        updates: how many there were.
    """

    def __init__(self, model: nn.Module, decay: float = 0.999, warmup: float = 0) -> None:
        if not 0 <= decay < 1:
            raise ConfigError(f"decay of the moving average is {decay}; it must be in [0, 1)")
        self.module = copy.deepcopy(model).eval().requires_grad_(False)
        self.decay = decay
        self.warmup = warmup
        self.updates = 0

    @torch.no_grad()
    def update(self, model: nn.Module) -> None:
        """Move the average towards the model."""
        self.updates += 1
        decay = self.decay
        if self.warmup:
            decay *= 1 - math.exp(-self.updates / self.warmup)
        averages, values = _tensors(self.module), _tensors(model)
        floating = [a.is_floating_point() for a in averages]
        pairs = list(zip(averages, values, floating, strict=True))
        torch._foreach_lerp_(
            [a for a, _, is_float in pairs if is_float],
            [v for _, v, is_float in pairs if is_float],
            1 - decay,
        )
        for average, value, is_float in pairs:
            if not is_float:
                average.copy_(value)

    def state_dict(self) -> dict[str, Tensor]:
        """The averaged weights, under the model's own names."""
        return self.module.state_dict()

    def load_state_dict(self, state_dict: dict[str, Tensor]) -> None:
        """Take averaged weights; `updates` travels apart from them.

        Raises:
            CheckpointError: they are not those of this model.
        """
        load_weights(self.module, state_dict, "the moving average")


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
        self.ema.updates = stored_count(state_dict, "updates")


def build_ema(config: DictConfig, model: nn.Module) -> ModelEMA | None:
    """The average that `train.model_ema` asks for, if it does."""
    options = OmegaConf.select(config, "train.model_ema") or {}
    if not options.get("enabled"):
        return None
    return ModelEMA(model, options.get("decay", 0.999), options.get("warmup") or 0)


def _tensors(model: nn.Module) -> list[Tensor]:
    return [local(tensor) for tensor in (*model.parameters(), *model.buffers())]
