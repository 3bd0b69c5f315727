"""Loaders: endless for training, exactly once for evaluation; both distributed."""

from __future__ import annotations

import itertools
import logging
import secrets
import zlib
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np

from aligndetr.data.balancing import Balancing
from aligndetr.data.dataset import DetectionDataset
from aligndetr.data.samplers import (
    Sample,
    equal_size_batches,
    evaluation_part,
    training_batches,
    training_samples,
)
from aligndetr.data.workers import BatchReader, BatchTransform, Mapper, Stage, read_batches
from aligndetr.distributed import broadcast_object, rank, world_size
from aligndetr.errors import CheckpointError, DataError

logger = logging.getLogger(__name__)


class _Loader:
    """What both loaders have.

    Attributes:
        dataset: the DetectionDataset.
        skipped: broken images met so far, with reasons; each once.
    """

    def __init__(self, reader: BatchReader, num_workers: int) -> None:
        self.dataset = reader.dataset
        self.num_workers = num_workers
        self.skipped: dict[str, None] = {}
        self._reader = reader

    def _read(
        self, batches: Iterable[tuple[int, list[Sample]]], *seed: int
    ) -> Iterator[list[dict[str, Any]]]:
        numbers = [self._reader.seed, *seed]
        return read_batches(self._reader, batches, self.num_workers, self.skipped, numbers)


class TrainLoader(_Loader):
    """An endless iterable of batches (lists of items) that knows how many were consumed.

    The order of images and every random draw are functions of the seed, so that a loader with a
    restored state goes on with exactly the batches that would have come next, whatever the
    number of workers.

    Args:
        reader: makes batches.
        total_batch_size: images a step over all processes.
        num_workers: loading processes; 0 loads in this one.
        groups: a group number per image, batches are drawn within groups; None: no groups.
        rank, world_size: this process and how many there are.
        repeats: (N,) how often an image comes in an epoch on average; None: once.
        num_batches: of the whole training; needed if the reader has stages.

    Attributes:
        consumed: batches handed out so far (each process hands out its part of a step).
    """

    def __init__(
        self,
        reader: BatchReader,
        total_batch_size: int,
        num_workers: int = 4,
        groups: Sequence[int] | None = None,
        rank: int = 0,
        world_size: int = 1,
        repeats: np.ndarray | None = None,
        num_batches: int | None = None,
    ) -> None:
        super().__init__(reader, num_workers)
        self.total_batch_size = total_batch_size
        self.batch_size = total_batch_size // world_size
        self.consumed = 0
        self._groups = groups
        self._rank = rank
        self._world_size = world_size
        self._repeats = repeats
        self._num_batches = num_batches

    def __iter__(self) -> Iterator[list[dict[str, Any]]]:
        samples = training_samples(
            len(self.dataset), self._reader.seed, self._rank, self._world_size, self._repeats
        )
        batches = enumerate(training_batches(samples, self.batch_size, self._groups))
        batches = itertools.islice(batches, self.consumed, None)
        requests = ((self._stage(number), batch) for number, batch in batches)
        for items in self._read(requests, self._rank, self.consumed):
            self.consumed += 1
            yield items

    def _stage(self, number: int) -> int:
        """Which way of the reader makes the batch of this number; 0 is the usual one."""
        if self._num_batches is None:
            return 0
        for index, stage in enumerate(self._reader.stages, start=1):
            if stage.start <= number / self._num_batches < stage.end:
                return index
        return 0

    def state_dict(self) -> dict[str, int]:
        """What `load_state_dict` needs to go on after the last consumed batch."""
        return {"consumed": self.consumed, "seed": self._reader.seed, **self._setting()}

    def load_state_dict(self, state: dict[str, int]) -> None:
        """Go on where another loader stopped; takes effect at the next `iter`.

        With another dataset size, batch size or number of processes the same batches cannot
        come; then a warning is logged and as many images are passed over as were consumed.

        Raises:
            CheckpointError: a value counts nothing.
        """
        for name, value in state.items():
            if type(value) is not int or not 0 <= value < 2**63:
                raise CheckpointError(f"its {name} is {repr(value)[:40]}, which counts nothing")
        self._reader.seed = state["seed"]
        self.consumed = state["consumed"]
        changed = {
            name: (state.get(name, 0), value)
            for name, value in self._setting().items()
            if state.get(name, 0) != value
        }
        if changed:
            images = state["consumed"] * state["total_batch_size"]
            self.consumed = images // self.total_batch_size
            logger.warning(
                "the data order is not exactly continued, because these changed: %s",
                ", ".join(f"{name} {old} -> {new}" for name, (old, new) in changed.items()),
            )

    def _setting(self) -> dict[str, int]:
        return {
            "total_batch_size": self.total_batch_size,
            "world_size": self._world_size,
            "num_images": len(self.dataset),
            "num_groups": 1 if self._groups is None else len(set(self._groups)),
            "repeats_crc32": 0 if self._repeats is None else zlib.crc32(self._repeats.tobytes()),
        }


class TestLoader(_Loader):
    """Batches (lists of items) of this process's part of a dataset, each image exactly once.

    Args:
        reader: makes batches.
        batches: lists of (epoch 0, index).
        num_workers: loading processes; 0 loads in this one.
    """

    __test__ = False  # not a test class, whatever its name says to pytest

    def __init__(self, reader: BatchReader, batches: list[list[Sample]], num_workers: int) -> None:
        super().__init__(reader, num_workers)
        self._batches = batches

    def __len__(self) -> int:
        return len(self._batches)

    def __iter__(self) -> Iterator[list[dict[str, Any]]]:
        return filter(None, self._read((0, batch) for batch in self._batches))


def build_train_loader(
    dataset: DetectionDataset,
    mapper: Mapper,
    total_batch_size: int,
    num_workers: int = 4,
    aspect_ratio_grouping: bool = True,
    seed: int | None = 0,
    batch_transform: BatchTransform | None = None,
    balancing: Balancing | None = None,
    stages: Sequence[Stage] = (),
    num_batches: int | None = None,
) -> TrainLoader:
    """The training loader of this process.

    Args:
        dataset: records.
        mapper: from a record and a generator to an item.
        total_batch_size: images a step over all processes.
        num_workers: loading processes of this process; 0 loads in this one.
        aspect_ratio_grouping: a batch holds wide images or the others, which saves padding.
        seed: everything random is a function of it; None or a negative number draws one, which
            travels with the loader's state.
        batch_transform: from the items of a batch and a generator to other items, such as
            `BatchResize`; None: nothing.
        balancing: how often images come in an epoch, such as `RepeatFactor`; None: once.
        stages: parts of the training with another mapper; of several that hold, the first counts.
        num_batches: that this process takes in the whole training; stages need it.

    Raises:
        DataError: the batch cannot be divided among the processes, or a stage has no length.
    """
    processes = world_size()
    if total_batch_size < 1 or total_batch_size % processes:
        raise DataError(
            f"total_batch_size={total_batch_size} cannot be divided among {processes} processes; "
            f"use a multiple of {processes}"
        )
    if seed is None or seed < 0:
        seed = broadcast_object(secrets.randbits(31))
    if stages and not num_batches:
        raise DataError("stages are parts of a training: give num_batches, its length")
    heights, widths = dataset.image_sizes.T
    groups = (widths > heights).astype(int).tolist() if aspect_ratio_grouping else None
    repeats = None if balancing is None else balancing.repeats(dataset)
    reader = BatchReader(dataset, mapper, seed, True, batch_transform, stages)
    return TrainLoader(
        reader, total_batch_size, num_workers, groups, rank(), processes, repeats, num_batches
    )


def build_test_loader(
    dataset: DetectionDataset,
    mapper: Mapper,
    batch_size: int = 1,
    num_workers: int = 4,
    group_by_size: bool = True,
) -> TestLoader:
    """The evaluation loader of this process.

    Args:
        dataset: records.
        mapper: from a record and a generator to an item.
        batch_size: images a batch on this process.
        num_workers: loading processes; 0 loads in this one.
        group_by_size: only images of equal size share a batch, so that nothing is padded and a
            result does not depend on what it was batched with; False: in the dataset's order.
    """
    part = evaluation_part(len(dataset), rank(), world_size())
    sizes = dataset.image_sizes if group_by_size else np.zeros((len(dataset), 2), dtype=int)
    batches = equal_size_batches(part, sizes, batch_size)
    reader = BatchReader(dataset, mapper, seed=0, replace_broken=False)
    return TestLoader(reader, batches, num_workers)
