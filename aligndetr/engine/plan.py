"""How long a training is and how its batch is divided, from config and dataset."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from omegaconf import DictConfig, OmegaConf

from aligndetr.data import DetectionDataset
from aligndetr.engine.num_classes import settle_num_classes
from aligndetr.errors import ConfigError
from aligndetr.matchers import lost_copies

FAST_DEV_ITERS = 3
FEW_ITERS, ENOUGH_ITERS = 1000, 3000  # the shortest shipped training has 3000


@dataclass(frozen=True)
class Plan:
    """Numbers of a training.

    Attributes:
        max_iter: optimizer steps.
        total_batch_size: images of a step, over all processes and micro-batches.
        accumulation_steps: micro-batches of a step.
        lr_factor: what the config's learning rates are multiplied by.
        epoch_size: images of an epoch; None when the dataset does not say.
        eval_period, checkpoint_period, log_period: in steps; 0: only at the end.
        advice: what may not be meant, with the override to type.
    """

    max_iter: int
    total_batch_size: int
    accumulation_steps: int
    lr_factor: float
    epoch_size: int | None
    eval_period: int
    checkpoint_period: int
    log_period: int
    advice: tuple[str, ...] = ()

    @property
    def loader_batch_size(self) -> int:
        """Images of a micro-batch over all processes: what the loader has to yield."""
        return self.total_batch_size // self.accumulation_steps

    @property
    def epoch_iters(self) -> float | None:
        """Steps of an epoch, not rounded."""
        return self.epoch_size / self.total_batch_size if self.epoch_size else None

    @property
    def num_evaluations(self) -> int:
        """How often it is evaluated, the end included."""
        return -(-self.max_iter // (self.eval_period or self.max_iter))

    def describe(self) -> str:
        """Lines for the log: length and rate, evaluations, and the advice."""
        parts = f" in {self.accumulation_steps} parts" if self.accumulation_steps > 1 else ""
        rate = f"learning rates x {self.lr_factor:g}" if self.lr_factor != 1 else ""
        rate = rate and f", {rate} (total_batch_size / train.reference_batch_size)"
        size = f" of {self.epoch_size} images" if self.epoch_size else ""
        length = f"{self._in_epochs(self.max_iter)}{size}: steps of {self.total_batch_size} images"
        period = self._in_epochs(self.eval_period)
        every = f"every {period} and " if self.num_evaluations > 1 else ""
        evaluations = f"evaluation {every}at the end: {self.num_evaluations} in all"
        return "\n  ".join([f"{length}{parts}{rate}", evaluations, *self.advice])

    def _in_epochs(self, iterations: int) -> str:
        if self.epoch_iters is None:
            return f"{iterations} iterations"
        return f"{iterations} iterations = {iterations / self.epoch_iters:.2f} epochs"


def settled_plan(config: DictConfig, dataset: Any, world_size: int = 1) -> Plan:
    """Let the data decide what the config leaves to it: the number of classes, and the plan.

    Args:
        config: `model.num_classes` is filled in if it is open.
        dataset: of the training.
        world_size: number of processes.

    Raises:
        ConfigError: config and data contradict each other.
    """
    name = getattr(dataset, "name", "")
    settle_num_classes(config, getattr(dataset, "class_names", None), f"the dataset {name}")
    counts = dataset.count_objects() if isinstance(dataset, DetectionDataset) else ()
    return make_plan(config, getattr(dataset, "epoch_size", None), world_size, counts)


def make_plan(
    config: DictConfig,
    epoch_size: int | None,
    world_size: int,
    object_counts: Iterable[int] = (),
) -> Plan:
    """Compute the plan.

    Args:
        config: the experiment's.
        epoch_size: images that count as an epoch, if known.
        world_size: number of processes.
        object_counts: of the images, as far as known, see `lost_copies`.

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
    reference = _number(config, "train.reference_batch_size")
    epoch_iters = epoch_size / total if epoch_size else None
    max_iter = _max_iter(config, epoch_iters)
    return Plan(
        max_iter=max_iter,
        total_batch_size=total,
        accumulation_steps=parts,
        lr_factor=total / reference if reference else 1.0,
        epoch_size=epoch_size,
        eval_period=_eval_period(config, epoch_iters),
        checkpoint_period=whole_number(config, "train.checkpointer.period", 0),
        log_period=max(1, whole_number(config, "train.log_period", 20)),
        advice=(*_few_steps(config, max_iter, epoch_iters), *_lost(config, object_counts)),
    )


def _max_iter(config: DictConfig, epoch_iters: float | None) -> int:
    if OmegaConf.select(config, "train.fast_dev_run.enabled"):
        return FAST_DEV_ITERS
    max_iter = whole_number(config, "train.max_iter", None)
    epochs = _number(config, "train.epochs")
    if max_iter is None:
        if epochs is None or epoch_iters is None:
            raise ConfigError("give train.max_iter, or train.epochs and a dataset of known size")
        max_iter = max(1, round(epochs * epoch_iters))
    if max_iter < 1:
        raise ConfigError(f"there is nothing to train in {max_iter} iterations")
    return max_iter


def _eval_period(config: DictConfig, epoch_iters: float | None) -> int:
    """In steps: the shorter one of `train.eval_period` and `train.eval_epochs`."""
    period = whole_number(config, "train.eval_period", 0)
    epochs = _number(config, "train.eval_epochs")
    if not period or epochs is None or epoch_iters is None:
        return period
    return min(period, max(1, round(epochs * epoch_iters)))


def _lost(config: DictConfig, object_counts: Iterable[int]) -> list[str]:
    num_queries = OmegaConf.select(config, "model.num_queries")
    match_num = OmegaConf.select(config, "model.criterion.match_num")
    lost = lost_copies(object_counts, match_num, num_queries) if num_queries else None
    return [f"{lost}"] if lost else []


def _few_steps(config: DictConfig, max_iter: int, epoch_iters: float | None) -> list[str]:
    """For lengths that come from a number of epochs, chosen for a larger dataset.

    What is fine-tuned needs fewer, nobody knows how many; of addresses, most are of backbones.
    """
    stated = (OmegaConf.select(config, f"train.{k}") for k in ("max_iter", "fast_dev_run.enabled"))
    start = OmegaConf.select(config, "train.init_checkpoint")
    is_detector = bool(start) and "://" not in f"{start}"
    if epoch_iters is None or max_iter >= FEW_ITERS or any(stated) or is_detector:
        return []
    epochs = math.ceil(ENOUGH_ITERS / epoch_iters)
    case = f"unless {start} is a whole detector" if start else "to learn from scratch"
    return [
        f"few steps {case}: train.epochs={epochs} would be {ENOUGH_ITERS}, as many "
        "as the shortest shipped training has"
    ]


def _number(config: DictConfig, key: str) -> float | None:
    value = OmegaConf.select(config, key)
    if value is None:
        return None
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if not is_number or not math.isfinite(value) or value <= 0:
        raise ConfigError(f"{key}={value!r} must be a positive number")
    return value


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
