"""What runs in the loading processes: a list of samples becomes a batch."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
from torch.utils.data import DataLoader

from aligndetr.data.dataset import DetectionDataset
from aligndetr.data.records import Record
from aligndetr.data.samplers import Sample
from aligndetr.data.worker_signals import (
    dead_workers_named,
    name_dead_workers,
    obey_only_main,
    signals_held,
)
from aligndetr.errors import DataError

logger = logging.getLogger(__name__)

Mapper = Callable[[Record, np.random.Generator], dict[str, Any]]
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
class BatchReader:
    """Turns a list of (epoch, index) into a batch; this is what runs in the workers.

    Args:
        dataset: records.
        mapper: from a record and a generator to an item.
        seed: every item gets a generator seeded by (seed, epoch, index).
        replace_broken: take another image instead of one that is skipped.
        batch_transform: for what the images of a batch share, such as a random size; it gets a
            generator seeded by (seed, epoch and index of the first image). None: nothing.
    """

    dataset: DetectionDataset
    mapper: Mapper
    seed: int
    replace_broken: bool
    batch_transform: BatchTransform | None = None

    def __getitem__(self, samples: Sequence[Sample]) -> LoadedBatch:
        batch = LoadedBatch([], [])
        for epoch, index in samples:
            try:
                self._read(epoch, index, batch)
            except DataError as error:
                return LoadedBatch([], batch.skipped, str(error))
        if self.batch_transform is None:
            return batch
        # One number more than for an item, so that it is another stream.
        rng = np.random.default_rng([self.seed, *samples[0], 1])
        return batch._replace(items=self.batch_transform(batch.items, rng))

    def _read(self, epoch: int, index: int, batch: LoadedBatch) -> None:
        rng = np.random.default_rng([self.seed, epoch, index])
        for _ in range(_MOST_ATTEMPTS):
            try:
                batch.items.append(self.mapper(self.dataset[index], rng))
                return
            except DataError as error:
                if not getattr(self.mapper, "skip_broken_images", False):
                    raise
                batch.skipped.append(str(error))
            if not self.replace_broken:
                return
            index = int(rng.integers(len(self.dataset)))
        raise DataError(f"{_MOST_ATTEMPTS} broken images in a row; the last: {batch.skipped[-1]}")


_MOST_ATTEMPTS = 20


def read_batches(
    reader: BatchReader,
    batches: Iterable[list[Sample]],
    num_workers: int,
    skipped: dict[str, None],
    seed: Sequence[int],
) -> Iterator[list[dict[str, Any]]]:
    """Read batches in order, ahead of time when there are workers.

    Args:
        reader: makes a batch.
        batches: what is in them; may be endless.
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
        reader,
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


def _unchanged(batch: LoadedBatch) -> LoadedBatch:
    return batch


def _note_skipped(batch: LoadedBatch, skipped: dict[str, None]) -> None:
    for reason in batch.skipped:
        if reason not in skipped:
            skipped[reason] = None
            logger.warning("skipped a broken image (%d so far): %s", len(skipped), reason)
    if batch.error is not None:
        raise DataError(batch.error)
