"""A check that a model can learn at all: the same few images again and again."""

from __future__ import annotations

import copy
import itertools
import math
from collections.abc import Collection, Iterator
from dataclasses import dataclass

import torch
from omegaconf import DictConfig, OmegaConf
from torch import Tensor, nn

from aligndetr.config import instantiate
from aligndetr.distributed import unwrap
from aligndetr.engine import hooks
from aligndetr.engine.initial_weights import load_start
from aligndetr.engine.loaders_from_config import build_train_loader, load_dataset
from aligndetr.engine.lr_schedule import LRMultiplier
from aligndetr.engine.model import build_model
from aligndetr.engine.optimizer import build_optimizer
from aligndetr.engine.plan import settled_plan
from aligndetr.engine.process import prepare_process
from aligndetr.engine.trainer_from_config import build_trainer
from aligndetr.errors import ConfigError, DataError

VANISHING = 1e-6  # of the largest; the shipped tiny models stay far above it


@dataclass
class Overfitting:
    """What came of it.

    Attributes:
        floor: part of its first value that the total loss had to fall below.
        first, last: losses by name and `total_loss`: in the first step, and the mean of the last.
        num_images, num_objects: of the batches.
        still: the largest parts of the model that got no gradient in any step.
        vanishing: those whose gradients stayed below `VANISHING` of the largest.
        rate: the highest learning rate of any parameter in any step.
    """

    floor: float
    first: dict[str, float]
    last: dict[str, float]
    num_images: int
    num_objects: int
    still: list[str]
    vanishing: list[str]
    rate: float

    @property
    def fallen_to(self) -> float:
        """The total loss at the end, as a part of the first."""
        return self.last["total_loss"] / self.first["total_loss"]

    @property
    def passed(self) -> bool:
        """Whether that is below the floor."""
        return self.fallen_to < self.floor

    def stuck(self) -> list[str]:
        """Losses above the floor, those first that hold most of what is left of the total."""
        terms = [name for name in self.first if name != "total_loss"]
        excess = {name: self.last[name] - self.floor * self.first[name] for name in terms}
        above = [name for name in terms if not excess[name] < 0]
        return sorted(above, key=excess.__getitem__, reverse=True)


def overfit(
    config: DictConfig, num_batches: int = 1, steps: int = 300, floor: float = 0.3
) -> Overfitting:
    """Train on the first batches of the training set alone; nothing is written.

    The images are augmented once and stay so. Optimizer, clipping, precision and frozen parts are
    the config's; its schedule is shrunk to `steps`.

    Args:
        config: not changed.
        num_batches: of `dataloader.train.total_batch_size` images, taken in turn.
        steps: of the optimizer.
        floor: see `Overfitting`.

    Raises:
        ConfigError: numbers that make no sense.
        DataError: the batches have no objects.
        TrainingError: a loss or gradient is not finite.
    """
    if num_batches < 1 or steps < 1 or not 0 < floor < 1:
        raise ConfigError("give at least one batch and one step, and a floor between 0 and 1")
    config = copy.deepcopy(config)
    OmegaConf.update(config, "train.max_iter", steps, force_add=True)
    device = prepare_process(config)
    dataset = load_dataset(config, "train")
    plan = settled_plan(config, dataset)
    loader = iter(build_train_loader(config, dataset, plan))
    batches = list(itertools.islice(loader, num_batches * plan.accumulation_steps))
    items = [item for batch in batches for item in batch]
    num_objects = sum(len(item["instances"]) for item in items)
    if not num_objects:
        raise DataError("the batches have no objects: there is nothing to learn in them")

    model = build_model(config, getattr(dataset, "class_names", None)).to(device)
    load_start(config, model)
    optimizer = build_optimizer(config, model, plan.lr_factor)
    trainer = build_trainer(config, model, itertools.cycle(batches), optimizer, plan)
    schedule = LRMultiplier(optimizer, instantiate(config.lr_multiplier), plan.max_iter)
    watch = _Watch()
    trainer.register_hooks([hooks.LRScheduler(schedule), watch])
    trainer.train(0, steps)
    silent = watch.silent_parts()
    return Overfitting(floor, watch.first, watch.last, len(items), num_objects, *silent, watch.rate)


class _Watch(hooks.Hook):
    """Remembers losses of the first and the last steps, the largest gradients and rate."""

    def __init__(self) -> None:
        self.first: dict[str, float] = {}
        self.last: dict[str, float] = {}
        self.rate = 0.0
        self._largest: Tensor | None = None

    def after_backward(self) -> None:
        sizes = [_size(p) for p in self._trained().values()]
        self.rate = max(self.rate, *(group["lr"] for group in self.trainer.optimizer.param_groups))
        now = torch.stack(sizes)
        self._largest = now if self._largest is None else torch.maximum(self._largest, now)

    def after_step(self) -> None:
        if self.trainer.iter == self.trainer.start_iter:
            self.first = _losses(self.trainer.storage.latest())

    def after_train(self) -> None:
        self.last = _losses(self.trainer.storage.smoothed())

    def silent_parts(self) -> tuple[list[str], list[str]]:
        """Parts without gradients, and those with vanishing ones."""
        if self._largest is None:
            return [], []
        sizes = dict(zip(self._trained(), self._largest.tolist(), strict=True))
        limit = VANISHING * max(sizes.values())
        still = {name for name, size in sizes.items() if size == 0}
        small = {name for name, size in sizes.items() if 0 < size < limit}
        model = unwrap(self.trainer.model)
        return list(_largest_parts(model, still)), list(_largest_parts(model, small))

    def _trained(self) -> dict[str, nn.Parameter]:
        named = unwrap(self.trainer.model).named_parameters()
        return {name: parameter for name, parameter in named if parameter.requires_grad}


def _losses(values: dict[str, tuple[float, int]]) -> dict[str, float]:
    return {name: value for name, (value, _) in values.items() if "loss" in name}


def _size(parameter: nn.Parameter) -> Tensor:
    """Root mean square of its gradient; 0 without one."""
    if parameter.grad is None:
        return torch.zeros((), device=parameter.device)
    return parameter.grad.float().norm() / math.sqrt(parameter.numel())


def _largest_parts(part: nn.Module, names: Collection[str], prefix: str = "") -> Iterator[str]:
    """Modules whose trained parameters are all among the names, without modules inside such."""
    trained = {prefix + name for name, p in part.named_parameters() if p.requires_grad}
    if not trained & set(names):
        return
    if trained <= set(names):
        yield prefix.removesuffix(".") or "the whole model"
        return
    own = (prefix + name for name, _ in part.named_parameters(recurse=False))
    yield from (name for name in own if name in names)
    for name, child in part.named_children():
        yield from _largest_parts(child, names, f"{prefix}{name}.")
