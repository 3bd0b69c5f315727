"""How long a training is and how its batch is divided, from config and dataset."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from omegaconf import DictConfig, OmegaConf

from aligndetr.errors import ConfigError

FAST_DEV_ITERS = 3


@dataclass(frozen=True)
class Plan:
    """Numbers of a training.

    Attributes:
        max_iter: optimizer steps.
        total_batch_size: images of a step, over all processes and micro-batches.
        accumulation_steps: micro-batches of a step.
        lr_factor: what the config's learning rates are multiplied by.
        epoch_iters: steps of an epoch; None when the dataset does not say its size.
        eval_period, checkpoint_period, log_period: in steps; 0: only at the end.
    """

    max_iter: int
    total_batch_size: int
    accumulation_steps: int
    lr_factor: float
    epoch_iters: float | None
    eval_period: int
    checkpoint_period: int
    log_period: int

    @property
    def loader_batch_size(self) -> int:
        """Images of a micro-batch over all processes: what the loader has to yield."""
        return self.total_batch_size // self.accumulation_steps

    def describe(self) -> str:
        """One line for the log."""
        length = f"{self.max_iter} iterations"
        if self.epoch_iters:
            length += f" = {self.max_iter / self.epoch_iters:.2f} epochs"
        parts = f" in {self.accumulation_steps} parts" if self.accumulation_steps > 1 else ""
        rate = f"learning rates x {self.lr_factor:g}" if self.lr_factor != 1 else ""
        rate = rate and f", {rate} (total_batch_size / train.reference_batch_size)"
        return f"{length} of {self.total_batch_size} images{parts}{rate}"


def make_plan(config: DictConfig, epoch_size: int | None, world_size: int) -> Plan:
    """Compute the plan.

    Args:
        config: the experiment's.
        epoch_size: images that count as an epoch, if known.
        world_size: number of processes.

    Raises:
        ConfigError: numbers that do not fit each other.
    """
    total = whole_number(config, "dataloader.train.total_batch_size", None)
    parts = whole_number(config, "train.accumulation_steps", 1)
    if total is None or total < 1:
        raise ConfigError("dataloader.train.total_batch_size must be a positive number")
    if parts < 1 or total % (parts * world_size):
        raise ConfigError(
            f"dataloader.train.total_batch_size={total} cannot be divided into "
            f"train.accumulation_steps={parts} parts for {world_size} processes; use a multiple of "
            f"{max(parts, 1) * world_size}"
        )
    reference = OmegaConf.select(config, "train.reference_batch_size")
    epoch_iters = epoch_size / total if epoch_size else None
    return Plan(
        max_iter=_max_iter(config, epoch_iters),
        total_batch_size=total,
        accumulation_steps=parts,
        lr_factor=total / reference if reference else 1.0,
        epoch_iters=epoch_iters,
        eval_period=whole_number(config, "train.eval_period", 0),
        checkpoint_period=whole_number(config, "train.checkpointer.period", 0),
        log_period=max(1, whole_number(config, "train.log_period", 20)),
    )


def _max_iter(config: DictConfig, epoch_iters: float | None) -> int:
    if OmegaConf.select(config, "train.fast_dev_run.enabled"):
        return FAST_DEV_ITERS
    max_iter = whole_number(config, "train.max_iter", None)
    epochs = OmegaConf.select(config, "train.epochs")
    if max_iter is None:
        if epochs is None or epoch_iters is None:
            raise ConfigError("give train.max_iter, or train.epochs and a dataset of known size")
        max_iter = max(1, round(epochs * epoch_iters))
    if max_iter < 1:
        raise ConfigError(f"there is nothing to train in {max_iter} iterations")
    return max_iter


def whole_number(config: DictConfig, key: str, default: Any) -> Any:
    """An entry that counts something; 1e5 counts too, None and a missing entry are `default`.

    Raises:
        ConfigError: it is no whole number.
    """
    value = OmegaConf.select(config, key)
    if value is None:
        return default
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if not is_number or not math.isfinite(value) or value != int(value):
        raise ConfigError(f"{key}={value!r} must be a whole number")
    return int(value)
