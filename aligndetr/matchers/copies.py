"""How often objects are copied in a matching, and what crowded images lose of it."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass


def num_copies(k: int, num_objects: int, num_queries: int) -> int:
    """k_i = max(1, min(k, floor(Q / (2 G_i)))): copies of each of G_i objects of an image.

    Args:
        k: queries that an object should get.
        num_objects: G_i.
        num_queries: Q.
    """
    return max(1, min(k, num_queries // (2 * max(num_objects, 1))))


@dataclass(frozen=True)
class LostCopies:
    """Images so crowded that their objects get fewer than k queries.

    Attributes:
        k: queries that an object should get.
        num_queries: Q.
        copies: what k is lowered to -> in how many images, ascending.
        num_images: images that have objects.
        enough: the smallest Q that keeps k in all images.
        enough_for_most: the smallest Q that keeps k in 95 % of them.
    """

    k: int
    num_queries: int
    copies: dict[int, int]
    num_images: int
    enough: int
    enough_for_most: int

    @property
    def num_lost(self) -> int:
        """Images in which k is lowered."""
        return sum(self.copies.values())

    def __str__(self) -> str:
        """A sentence with the override to type."""
        lowered = " and ".join(f"to {k} in {count}" for k, count in self.copies.items())
        return (
            f"k = {self.k} is lowered {lowered} of {self.num_images} images: there k copies of all "
            f"objects are more than half of the {self.num_queries} queries; "
            f"model.num_queries={self.enough} keeps k = {self.k} in all images, "
            f"{self.enough_for_most} in 95 % of them"
        )


def lost_copies(
    num_objects: Iterable[int], match_num: Sequence[int] | None, num_queries: int
) -> LostCopies | None:
    """What a dataset loses of mixed matching (`MixedMatcher`), or None when it loses nothing.

    Args:
        num_objects: G_i of each image, without crowds; images without objects do not count.
        match_num: queries that an object should get, an entry a layer; its largest is k.
        num_queries: Q.
    """
    k = max(match_num or [1])
    crowds = sorted(count for count in num_objects if count)
    lowered = Counter(num_copies(k, count, num_queries) for count in crowds)
    lowered.pop(k, None)
    if not lowered:
        return None
    most = crowds[math.ceil(0.95 * len(crowds)) - 1]
    return LostCopies(
        k, num_queries, dict(sorted(lowered.items())), len(crowds), 2 * k * crowds[-1], 2 * k * most
    )
