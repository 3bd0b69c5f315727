"""A few steps of a training in a process of its own, for what they take of memory and time."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from multiprocessing import get_context
from typing import Any

import torch
from omegaconf import DictConfig, OmegaConf

from aligndetr.config import LazyConfig, instantiate
from aligndetr.data import DetectionDataset, DetrMapper
from aligndetr.engine import hooks
from aligndetr.engine.activation_checkpointing import KEY as RECOMPUTED
from aligndetr.engine.loaders_from_config import build_train_loader, load_dataset
from aligndetr.engine.memory import peak_bytes
from aligndetr.engine.model import build_model
from aligndetr.engine.optimizer import build_optimizer
from aligndetr.engine.plan import settled_plan
from aligndetr.engine.process import prepare_process
from aligndetr.engine.trainer import Batch
from aligndetr.engine.trainer_from_config import build_trainer

ReadConfig = Callable[[], DictConfig]
DRAWN_IMAGES, DRAWN_BATCHES = 64, 8  # at least: to meet the largest of the sizes that occur
TYPICAL = 2  # steps that are timed
NUM_BATCHES = TYPICAL + 3  # steps of a trial
MOST_PARTS = 2  # of them; a third needs no more memory


@dataclass(frozen=True)
class Trial:
    """What some steps took.

    Attributes:
        batch_size: images of a micro-batch.
        pixels: of the largest micro-batch, padding included.
        peak: bytes, see `peak_bytes`.
        seconds: of a typical micro-batch.
    """

    batch_size: int
    pixels: int
    peak: int
    seconds: float


def try_apart(
    read: ReadConfig, overrides: Sequence[str], batch_size: int, parts: int
) -> Trial | None:
    """`try_steps` in a process of its own, so that nothing else is counted.

    Args:
        read: gives the config; picklable.
        overrides: to apply to it.
        batch_size: images of a micro-batch.
        parts: micro-batches of a step, of which `MOST_PARTS` are computed.

    Returns:
        The Trial; None if the memory did not suffice.

    Raises:
        UserError: anything that the user can change.
    """
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        try:
            trial = pool.submit(try_steps, read, overrides, batch_size, min(parts, MOST_PARTS))
            return trial.result()
        except (BrokenProcessPool, torch.OutOfMemoryError, MemoryError):
            return None


def try_steps(read: ReadConfig, overrides: Sequence[str], batch_size: int, parts: int) -> Trial:
    """Train on the largest and the most crowded batches of some, and on others; see `try_apart`."""
    config = LazyConfig.apply_overrides(read(), list(overrides))
    count = max(DRAWN_IMAGES // batch_size, DRAWN_BATCHES) // parts * parts
    for key, value in {
        "dataloader.train.total_batch_size": batch_size * parts,
        "train.accumulation_steps": parts,
        "train.max_iter": count // parts,  # loaders with stages go through all of them
    }.items():
        OmegaConf.update(config, key, value, force_add=True)
    device = prepare_process(config, frugal=bool(OmegaConf.select(config, RECOMPUTED)))
    dataset = load_dataset(config, "train")
    plan = settled_plan(config, dataset)
    loader = build_train_loader(config, dataset, plan)
    drawn = itertools.islice(loader, count)
    batches, pixels = _choose(drawn, count, _most_crowded(config, dataset))
    model = build_model(config, getattr(dataset, "class_names", None)).to(device)
    ema = hooks.build_ema(config, model)
    optimizer = build_optimizer(config, model, plan.lr_factor)
    repeated = [batch for batch in batches for _ in range(parts)]
    trainer = build_trainer(config, model, repeated, optimizer, plan)
    clock = _Clock(device)
    trainer.register_hooks([*([hooks.EMAHook(ema)] if ema else []), clock])
    trainer.train(0, len(batches))
    seconds = clock.moments[TYPICAL + 1] - clock.moments[1]  # the first two steps are others
    return Trial(batch_size, pixels, peak_bytes(device), seconds / TYPICAL / parts)


class _Clock(hooks.Hook):
    """Notes when steps end."""

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self.moments: list[float] = []

    def after_step(self) -> None:
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)
        self.moments.append(time.perf_counter())


def padded_pixels(batch: Batch) -> int:
    """Of all images of a batch, padded to a common size."""
    height, width = (max(item["image"].shape[side] for item in batch) for side in (1, 2))
    return len(batch) * height * width


def _choose(
    drawn: Iterable[Batch], count: int, crowded: dict[str, Any] | None
) -> tuple[list[Batch], int]:
    """The largest, the most crowded, some typical ones, and the largest again; and its pixels.

    Typical ones come from all over the training, whose stages may have images of other sizes.
    """
    places = {(2 * part + 1) * count // (2 * TYPICAL) for part in range(TYPICAL)}
    typical: list[Batch] = []
    largest: Batch = []
    for place, batch in enumerate(drawn):
        if not largest or padded_pixels(batch) > padded_pixels(largest):
            largest = batch
        if place in places:
            typical.append(batch)
    full = [crowded, *largest[1:]] if crowded else largest
    return [largest, full, *typical, largest], padded_pixels(largest)


def _most_crowded(config: DictConfig, dataset: Any) -> dict[str, Any] | None:
    """The image with most objects: they decide how many denoising queries there are."""
    mapper = instantiate(OmegaConf.select(config, "dataloader.train.mapper"))
    if not isinstance(mapper, DetrMapper) or not isinstance(dataset, DetectionDataset):
        return None
    counts = dataset.count_objects()
    return mapper(dataset[counts.index(max(counts))], others=dataset)
