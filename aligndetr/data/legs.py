"""A training that changes its number of processes or its batch: no image is lost or seen twice."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from aligndetr.data.samplers import Sample


@dataclass(frozen=True)
class Leg:
    """A part of a training with one number of processes and one batch size.

    Attributes:
        world_size: how many processes there were.
        batch_size: images of a batch of one process.
        batches: how many batches each process consumed.
    """

    world_size: int
    batch_size: int
    batches: int

    @property
    def images(self) -> int:
        """Images that all processes consumed."""
        return self.world_size * self.batch_size * self.batches


def without(
    stream: Iterator[Sample], leg: Leg, groups: Sequence[int] | None = None
) -> Iterator[Sample]:
    """What a leg left of a stream, in its order.

    The processes of the leg took every `world_size`-th sample each, and made batches of one group
    of them, as `training_batches` does; samples that waited for others of their group are left.

    Args:
        stream: what the leg began with; it is used up.
        leg: what was consumed.
        groups: a group number per image index; None: all images are of one group.
    """
    missing = [leg.batches] * leg.world_size
    waiting: list[dict[int, list[int]]] = [{} for _ in missing]
    left: dict[int, Sample] = {}
    positions = itertools.count()
    while any(missing):
        position = next(positions)
        left[position] = sample = next(stream)
        process = position % leg.world_size
        if not missing[process]:
            continue
        group = 0 if groups is None else groups[sample[1]]
        batch = waiting[process].setdefault(group, [])
        batch.append(position)
        if len(batch) == leg.batch_size:
            missing[process] -= 1
            for taken in waiting[process].pop(group):
                del left[taken]
    return itertools.chain(left.values(), stream)
