"""Which image of a dataset lies in which shard."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from aligndetr.data.shards.member import member_of
from aligndetr.data.shards.mirroring import is_mirror


@dataclass(frozen=True)
class Layout:
    """The shards of a dataset of N images.

    Attributes:
        paths: of the shards.
        shards: (N,) int64, index in `paths` of each image's shard.
        places: (N,) int64, which grow with an image's place in its shard.
        fetched: whether shards come from elsewhere when they are needed, so that reading images
            of many shards at once is slow.
    """

    paths: list[Path]
    shards: np.ndarray
    places: np.ndarray
    fetched: bool

    def near(self, index: int, shards_on: int = 0) -> np.ndarray:
        """Indices of the images that share a shard with one, or of those so many shards on."""
        return np.flatnonzero(self.shards == (self.shards[index] + shards_on) % len(self.paths))

    def in_order(self) -> np.ndarray:
        """(N,) indices of the images, shard after shard."""
        return np.lexsort((self.places, self.shards))


def layout_of(file_names: Iterable[str]) -> Layout | None:
    """The layout of images by their names; None if some are files of their own."""
    numbers: dict[Path, int] = {}
    shards, places = [], []
    for name in file_names:
        member = member_of(name)
        if member is None:
            return None
        shards.append(numbers.setdefault(member.shard, len(numbers)))
        places.append(member.offset)
    paths = list(numbers)
    fetched = any(is_mirror(folder) for folder in {path.parent for path in paths})
    return Layout(paths, np.array(shards, np.int64), np.array(places, np.int64), fetched)
