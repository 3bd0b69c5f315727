"""Loaders: endless for training, exactly once for evaluation; both distributed."""

from __future__ import annotations

import dataclasses
import itertools
import logging
import secrets
import zlib
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np

from aligndetr.data.balancing import Balancing
from aligndetr.data.dataset import DetectionDataset
from aligndetr.data.legs import Leg, without
from aligndetr.data.samplers import (
    Nearby,
    Sample,
    equal_size_batches,
    evaluation_part,
    training_batches,
    training_stream,
)
from aligndetr.data.shards.ahead import fetched_ahead
from aligndetr.data.workers import BatchReader, BatchTransform, Mapper, Stage, read_batches
from aligndetr.distributed import broadcast_object, rank, world_size
from aligndetr.errors import CheckpointError, DataError

logger = logging.getLogger(__name__)

SHUFFLE_BUFFER = 2000  # images, where shards are fetched


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
    number of workers. With another number of processes or another batch size it goes on with
    exactly those images that are left.

    Args:
        reader: makes batches.
        total_batch_size: images a step over all processes.
        num_workers: loading processes; 0 loads in this one.
        groups: a group number per image, batches are drawn within groups; None: no groups.
        rank, world_size: this process and how many there are.
        repeats: (N,) how often an image comes in an epoch on average; None: once.
        num_batches: of the whole training; needed if the reader has stages.
        nearby: the order of an epoch where not all images are shuffled; None: all are.

    Attributes:
        consumed: batches handed out so far (each process hands out its part of a step), since the
            last of the legs.
        legs: earlier parts of the training with other numbers of processes or images a step.
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
        nearby: Nearby | None = None,
    ) -> None:
        super().__init__(reader, num_workers)
        self.total_batch_size = total_batch_size
        self.batch_size = total_batch_size // world_size
        self.consumed = 0
        self.legs: list[Leg] = []
        self._groups = groups
        self._rank = rank
        self._world_size = world_size
        self._repeats = repeats
        self._num_batches = num_batches
        self._nearby = nearby

    def __iter__(self) -> Iterator[list[dict[str, Any]]]:
        size, seed = len(self.dataset), self._reader.seed
        stream = training_stream(size, seed, self._repeats, self._nearby)
        for leg in self.legs:
            stream = without(stream, leg, self._groups)
        samples = itertools.islice(stream, self._rank, None, self._world_size)
        first = sum(leg.images for leg in self.legs) // self.total_batch_size
        batches = enumerate(training_batches(samples, self.batch_size, self._groups), first)
        batches = itertools.islice(batches, self.consumed, None)
        requests = ((self._stage(number), batch) for number, batch in batches)
        layout = self.dataset.layout if self._nearby else None
        if self._nearby and layout and layout.fetched:
            ahead = self._nearby.buffer // self.batch_size
            requests = fetched_ahead(requests, layout, ahead)
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

    def state_dict(self) -> dict[str, Any]:
        """What `load_state_dict` needs to go on after the last consumed batch."""
        legs = [[leg.world_size, leg.batch_size, leg.batches] for leg in self.legs]
        return {
            "consumed": self.consumed,
            "seed": self._reader.seed,
            "lanes": self._nearby.lanes if self._nearby else 0,
            "legs": legs,
            **self._setting(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on where another loader stopped; takes effect at the next `iter`.

        With other images, or another share of them in an epoch, the same batches cannot come; then
        a warning is logged and as many images are passed over as were consumed.

        Raises:
            CheckpointError: a value counts nothing.
        """
        legs = [list(leg) for leg in state.get("legs", [])]
        counts = {name: value for name, value in state.items() if name != "legs"}
        for name, value in [*counts.items(), *(("legs", n) for leg in legs for n in leg)]:
            if type(value) is not int or not 0 <= value < 2**63:
                raise CheckpointError(f"its {name} is {repr(value)[:40]}, which counts nothing")
        self._reader.seed = counts["seed"]
        self.consumed = counts["consumed"]
        self.legs = [Leg(*leg) for leg in legs]
        if self._nearby and counts.get("lanes"):
            lanes = min(counts["lanes"], len(self.dataset))
            self._nearby = dataclasses.replace(self._nearby, lanes=lanes)
        changed = {
            name: (counts.get(name, 0), value)
            for name, value in self._setting().items()
            if counts.get(name, 0) != value
        }
        if changed:
            self._go_on_otherwise(changed, counts)

    def _go_on_otherwise(self, changed: dict[str, tuple[int, int]], before: dict[str, int]) -> None:
        """What was consumed becomes a leg; if its images are not known here, only their number."""
        world_size, total = before.get("world_size", 1), before["total_batch_size"]
        leg = Leg(world_size, total // max(world_size, 1), self.consumed)
        self.legs = [known for known in (*self.legs, leg) if known.images]
        self.consumed = 0
        what = ", ".join(f"{name} {old} -> {new}" for name, (old, new) in changed.items())
        if changed.keys() <= {"world_size", "total_batch_size"}:
            logger.info("going on with exactly the images that are left: %s", what)
            return
        self.consumed = sum(leg.images for leg in self.legs) // self.total_batch_size
        self.legs = []
        logger.warning("the data order is not exactly continued, because these changed: %s", what)

    def _setting(self) -> dict[str, int]:
        return {
            "total_batch_size": self.total_batch_size,
            "world_size": self._world_size,
            "num_images": len(self.dataset),
            "num_groups": 1 if self._groups is None else len(set(self._groups)),
            "shuffle_buffer": self._nearby.buffer if self._nearby else 0,
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
    shuffle_buffer: int | None = None,
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
        shuffle_buffer: images of shards among which one is shuffled, see `Nearby`; None: all, and
            `SHUFFLE_BUFFER` where shards are fetched from a URL.

    Raises:
        DataError: the batch cannot be divided among the processes, a stage has no length, or the
            buffer no shards.
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
        reader,
        total_batch_size,
        num_workers,
        groups,
        rank(),
        processes,
        repeats,
        num_batches,
        _nearby(dataset, shuffle_buffer, processes),
    )


def _nearby(dataset: DetectionDataset, buffer: int | None, processes: int) -> Nearby | None:
    layout = getattr(dataset, "layout", None)
    if buffer is not None and (layout is None or buffer < 1):
        raise DataError(
            f"dataloader.train.shuffle_buffer={buffer}: it counts images of shards, which "
            f"{dataset.name} is {'not ' if layout is None else ''}made of; null shuffles all images"
        )
    if buffer is None and layout is not None and layout.fetched:
        buffer = SHUFFLE_BUFFER
    if buffer is None or layout is None:
        return None
    return Nearby(layout.shards, layout.places, buffer, processes)


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
    layout = getattr(dataset, "layout", None)
    part: Sequence[int] = evaluation_part(len(dataset), rank(), world_size())
    if layout is not None and layout.fetched:  # shard after shard
        part = layout.in_order()[part.start : part.stop].tolist()
    sizes = dataset.image_sizes if group_by_size else np.zeros((len(dataset), 2), dtype=int)
    batches = equal_size_batches(part, sizes, batch_size)
    reader = BatchReader(dataset, mapper, seed=0, replace_broken=False)
    return TestLoader(reader, batches, num_workers)
