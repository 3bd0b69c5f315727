"""What runs in the loading processes: a list of samples becomes a batch."""

from __future__ import annotations

import inspect
import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, cast

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset, Subset

from aligndetr.data.dataset import DetectionDataset
from aligndetr.data.records import Record
from aligndetr.data.samplers import Sample
from aligndetr.data.shards.member import ShardError
from aligndetr.data.worker_signals import (
    dead_workers_named,
    name_dead_workers,
    obey_only_main,
    signals_held,
)
from aligndetr.errors import DataError

logger = logging.getLogger(__name__)

Mapper = Callable[..., dict[str, Any]]
"""(record, generator), and `others=` where it has this parameter, to an item."""
BatchTransform = Callable[[list[dict[str, Any]], np.random.Generator], list[dict[str, Any]]]


class LoadedBatch(NamedTuple):
    """What a worker sends back.

    Attributes:
        items: mapped records.
        skipped: why images were left out.
        error: why the batch could not be made, or None. An exception raised in a worker would
            reach the user wrapped in a traceback.
    """

    items: list[dict[str, Any]]
    skipped: list[str]
    error: str | None = None


@dataclass
class Stage:
    """Another mapper, and what its batches share, for a part of the training.

    Args:
        start, end: from and up to which part of the training, 0 to 1.
        mapper, batch_transform: see `BatchReader`.

    Raises:
        DataError: no part of a training is between start and end.
    """

    start: float
    end: float
    mapper: Mapper
    batch_transform: BatchTransform | None = None

    def __post_init__(self) -> None:
        if not 0 <= self.start < self.end <= 1:
            raise DataError(
                f"a stage from {self.start} to {self.end} is no part of a training: give parts of "
                "its length, such as start=0.1 and end=0.9"
            )


@dataclass
class BatchReader:
    """Turns a list of samples into a batch; this is what runs in the workers.

    Each item says as `sample` which one it is for, also where another image took its place.

    Args:
        dataset: records.
        mapper: from a record and a generator to an item; one that has a parameter `others` is
            given all records there, or those of a shard where shards are fetched.
        seed: every item gets a generator seeded by (seed, epoch, index).
        replace_broken: take another image instead of one that is skipped.
        batch_transform: for what the images of a batch share, such as a random size; it gets a
            generator seeded by (seed, epoch and index of the first image). None: nothing.
        stages: other ways to make a batch; number 0 is the usual one, these follow.
    """

    dataset: DetectionDataset
    mapper: Mapper
    seed: int
    replace_broken: bool
    batch_transform: BatchTransform | None = None
    stages: Sequence[Stage] = ()

    def __getitem__(self, request: tuple[int, Sequence[Sample]]) -> LoadedBatch:
        """The batch of these samples, in the way of that number."""
        number, samples = request
        way = self.stages[number - 1] if number else self
        batch = LoadedBatch([], [])
        for sample in samples:
            try:
                self._read(way.mapper, sample, batch)
            except DataError as error:
                return LoadedBatch([], batch.skipped, str(error))
        if way.batch_transform is None:
            return batch
        # One number more than for an item, so that it is another stream; 1 counts no repeat.
        rng = np.random.default_rng([self.seed, *samples[0], 1])
        return batch._replace(items=way.batch_transform(batch.items, rng))

    def _read(self, mapper: Mapper, sample: Sample, batch: LoadedBatch) -> None:
        rng = np.random.default_rng([self.seed, *sample])
        record, shards_on = self.dataset[sample[1]], 0
        others = {"others": _near(self.dataset, sample[1])} if _takes_others(mapper) else {}
        for _ in range(_MOST_ATTEMPTS):
            try:
                item = mapper(record, rng, **others)
                batch.items.append({**item, "sample": sample})
                return
            except DataError as error:
                if not getattr(mapper, "skip_broken_images", False):
                    raise
                batch.skipped.append(str(error))
                shards_on += isinstance(error, ShardError)
            if not self.replace_broken:
                return
            candidates = _near(self.dataset, sample[1], shards_on)
            record = candidates[int(rng.integers(len(candidates)))]
        raise DataError(f"{_MOST_ATTEMPTS} broken images in a row; the last: {batch.skipped[-1]}")


def _takes_others(mapper: Mapper) -> bool:
    return "others" in inspect.signature(mapper).parameters


def _near(dataset: Any, index: int, shards_on: int = 0) -> Sequence[Record]:
    """All records or, of a dataset whose shards are fetched, those of one shard at hand."""
    layout = getattr(dataset, "layout", None)
    if layout is None or not layout.fetched:
        return dataset
    return cast("Sequence[Record]", Subset(dataset, layout.near(index, shards_on).tolist()))


_MOST_ATTEMPTS = 20


def read_batches(
    reader: BatchReader,
    batches: Iterable[tuple[int, list[Sample]]],
    num_workers: int,
    skipped: dict[str, None],
    seed: Sequence[int],
) -> Iterator[list[dict[str, Any]]]:
    """Read batches in order, ahead of time when there are workers.

    Args:
        reader: makes a batch.
        batches: what `reader` takes; may be endless.
        num_workers: loading processes; 0 loads in this one.
        skipped: filled with the reasons why images were left out, each once.
        seed: numbers that the workers' global random generators are seeded with, for mappers
            that use them; ours does not.

    Raises:
        DataError: an image is broken and the mapper does not skip such; or a loading process
            died, which is also raised wherever else this process is then.
    """
    # A private generator, because a DataLoader otherwise draws its base seed from torch's global
    # one, and a restored run would no longer be the same.
    number = int(np.random.SeedSequence(list(seed)).generate_state(1)[0])
    generator = torch.Generator().manual_seed(number)
    loader = DataLoader(
        cast(Dataset[LoadedBatch], reader),  # of batches: `batches` are its indices
        sampler=batches,
        batch_size=None,
        collate_fn=_unchanged,
        num_workers=num_workers,
        pin_memory=torch.cuda.is_available(),
        worker_init_fn=obey_only_main,
        generator=generator,
    )
    with signals_held():
        loaded = iter(loader)
    name_dead_workers()
    while True:
        with dead_workers_named():
            batch = next(loaded, None)
        if batch is None:
            return
        _note_skipped(batch, skipped)
        yield batch.items


def _unchanged(batch: Any) -> Any:
    return batch


def _note_skipped(batch: LoadedBatch, skipped: dict[str, None]) -> None:
    for reason in batch.skipped:
        if reason not in skipped:
            skipped[reason] = None
            logger.warning("skipped a broken image (%d so far): %s", len(skipped), reason)
    if batch.error is not None:
        raise DataError(batch.error)
