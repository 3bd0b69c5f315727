"""Which images go into which batch, on which process."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

Sample = tuple[int, ...]
"""(epoch, index of the image); (epoch, index, n) where an image comes for the nth time, n > 1."""


def training_samples(
    size: int,
    seed: int = 0,
    rank: int = 0,
    world_size: int = 1,
    repeats: np.ndarray | None = None,
    nearby: Nearby | None = None,
) -> Iterator[Sample]:
    """An endless stream of shuffled epochs, dealt out to the processes in turn.

    Every process sees every `world_size`-th image of one common stream, so that parts are
    disjoint and each image comes exactly once an epoch, whatever the number of processes.

    Args:
        size: images of the dataset.
        seed: epochs are shuffled by (seed, epoch).
        rank: this process.
        world_size: how many processes there are.
        repeats: (size,) how often an image comes in an epoch on average; a fraction is rounded
            up as often as it says, drawn anew each epoch. None: once.
        nearby: shuffle only among the shards at hand; None: all images.
    """
    return itertools.islice(training_stream(size, seed, repeats, nearby), rank, None, world_size)


def training_stream(
    size: int,
    seed: int = 0,
    repeats: np.ndarray | None = None,
    nearby: Nearby | None = None,
) -> Iterator[Sample]:
    """The common stream of `training_samples`, with the same arguments, before it is dealt out."""
    if size <= 0 or (repeats is not None and not repeats.sum() > 0):
        raise ValueError("cannot sample from an empty dataset")
    epochs = (_shuffled(epoch, size, seed, repeats, nearby) for epoch in itertools.count())
    return itertools.chain.from_iterable(epochs)


@dataclass(frozen=True)
class Nearby:
    """An order that reads shards one after the other instead of all at once.

    The shards of an epoch, in an order drawn anew, are one row of images. It is cut into `lanes`
    of equal length (to one image), so that a cut may go through a shard, which then two lanes
    read; in a lane an image moves by less than `buffer` places; and the epoch takes an image from
    each lane in turn. Where the number of processes divides that of the lanes, a process thus
    reads only the shards of its own lanes, and otherwise each image still comes exactly once.

    Attributes:
        shards: (N,) shard of each image, from 0, in which images lie in the order of `places`.
        places: (N,) place of each image in its shard.
        buffer: images among which one is shuffled, per lane.
        lanes: a multiple of the number of processes.
    """

    shards: np.ndarray
    places: np.ndarray
    buffer: int
    lanes: int

    def order(self, indices: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Places in `indices`, (M,) images of an epoch, in the order in which they come."""
        turn = rng.permutation(int(self.shards.max()) + 1)[self.shards[indices]]
        row = np.lexsort((self.places[indices], turn))
        ends = np.cumsum([len(range(lane, len(row), self.lanes)) for lane in range(self.lanes)])
        lanes = np.split(row, ends[:-1])
        epoch = np.empty_like(row)
        for number, lane in enumerate(lanes):
            moved = np.arange(len(lane)) + rng.uniform(0, self.buffer, len(lane))
            epoch[number :: self.lanes] = lane[np.argsort(moved, kind="stable")]
        return epoch


def _shuffled(
    epoch: int, size: int, seed: int, repeats: np.ndarray | None, nearby: Nearby | None
) -> list[Sample]:
    rng = np.random.default_rng([seed, epoch])
    if repeats is None and nearby is None:
        return [(epoch, index) for index in rng.permutation(size).tolist()]
    repeats = np.ones(size) if repeats is None else repeats
    whole = np.floor(repeats)
    times = whole + (rng.random(size) < repeats - whole)
    samples = [
        (epoch, index, n + 1) if n else (epoch, index)
        for index, count in enumerate(times.astype(int).tolist())
        for n in range(count)
    ]
    if nearby is None:
        order = rng.permutation(len(samples))
    else:
        order = nearby.order(np.array([index for _, index, *_ in samples], dtype=np.int64), rng)
    return [samples[place] for place in order.tolist()]


def training_batches(
    samples: Iterable[Sample], batch_size: int, groups: Sequence[int] | None = None
) -> Iterator[list[Sample]]:
    """Batches from a stream of samples; the images of a batch belong to one group.

    Groups are known before an image is read, so batches are a function of the stream alone: a run
    goes on where another one stopped by leaving out as many.

    Args:
        samples: the stream.
        batch_size: samples a batch.
        groups: a group number per image index; None: all images are of one group.
    """
    waiting: dict[int, list[Sample]] = {}
    for sample in samples:
        group = 0 if groups is None else groups[sample[1]]
        batch = waiting.setdefault(group, [])
        batch.append(sample)
        if len(batch) == batch_size:
            yield waiting.pop(group)


def evaluation_part(size: int, rank: int = 0, world_size: int = 1) -> range:
    """The images of a process: one contiguous part each, so that every image comes exactly once.

    The parts differ in size by at most one image; with more processes than images some are empty.

    Args:
        size: images of the dataset.
        rank: this process.
        world_size: how many processes there are.
    """
    return range(size * rank // world_size, size * (rank + 1) // world_size)


def equal_size_batches(
    indices: Iterable[int], image_sizes: np.ndarray, batch_size: int
) -> list[list[Sample]]:
    """Batches for evaluation whose images all have the same size, so that none is padded.

    Args:
        indices: the images of this process.
        image_sizes: (N, 2), (height, width) of all images.
        batch_size: the largest batch; smaller ones are left over where sizes are rare.

    Returns:
        Batches of (epoch 0, index), sizes in order of first appearance.
    """
    by_size: dict[tuple[int, ...], list[Sample]] = {}
    for index in indices:
        by_size.setdefault(tuple(image_sizes[index]), []).append((0, index))
    return [
        group[start : start + batch_size]
        for group in by_size.values()
        for start in range(0, len(group), batch_size)
    ]
