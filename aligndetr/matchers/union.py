"""Pairs for box losses, where these are not those of the classes."""

from __future__ import annotations

from typing import Protocol

from aligndetr.matchers.assignment import Assignment


class BoxAssignment(Protocol):
    """Which query's box is compared with which object, and how much each comparison counts."""

    def __call__(self, assignment: Assignment, num_layers: int) -> tuple[Assignment, float]:
        """Choose.

        Args:
            assignment: the pairs of the class losses.
            num_layers: I.

        Returns:
            Pairs, and the weight of each.
        """
        ...


class UnionOverLayers:
    """In every layer the pairs of all layers (D-FINE, arXiv 2410.13842, section 4.2).

    A box learns its object also in layers that matched another query, so that layers do not pull
    it hither and thither. Each pair weighs so little that a layer's box losses keep their size.
    Ranks of an object's further queries do not lower its weight. In the paper these pairs are those
    that are distilled; its authors' code takes them for L1 and GIoU as well, and counts them over
    all processes, where here each counts its own.
    """

    def __call__(self, assignment: Assignment, num_layers: int) -> tuple[Assignment, float]:
        """See `BoxAssignment`; waits for the device, as the number of pairs has to be known."""
        union = assignment.of_all_layers(num_layers)
        return union, len(assignment) / max(len(union), 1)
