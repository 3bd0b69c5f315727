"""Matching that is one-to-many in some layers and one-to-one in others."""

from __future__ import annotations

from aligndetr.matchers.copies import num_copies
from aligndetr.matchers.hungarian import HungarianMatcher


class MixedMatcher(HungarianMatcher):
    """Lets up to k queries answer for each object, at least total cost (AlignDETR, section 3.4).

    One-to-many matching is one-to-one matching with every object copied k times. In an image so
    crowded that the copies would take more than half of the queries, k is lowered for this image.

    Args:
        cost: of one query for one object.
    """

    def copies(self, k: int, num_objects: int, num_queries: int) -> int:
        """The rule of `num_copies`."""
        return num_copies(k, num_objects, num_queries)
