"""How much of the objective each loss is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from aligndetr.criterions.loss_weights import term_and_layer
from aligndetr.errors import DataError
from aligndetr.evaluation.history import Series

PART = 20  # start and end are a twentieth of what was recorded
OTHER, LAST = "other", "last"


@dataclass
class LossBalance:
    """Losses at the start and at the end of a training.

    Attributes:
        start, end: (first, last iteration) of what was averaged.
        losses: (start, end) by (term, layer), as they enter the objective; they sum to it.
    """

    start: tuple[int, int]
    end: tuple[int, int]
    losses: dict[tuple[str, str], np.ndarray]

    @property
    def terms(self) -> list[str]:
        """In the order of their first appearance."""
        return list(dict.fromkeys(term for term, _ in self.losses))

    @property
    def layers(self) -> list[str]:
        """In the order of their first appearance."""
        return list(dict.fromkeys(layer for _, layer in self.losses))

    def total(self, term: str | None = None, layer: str | None = None) -> np.ndarray:
        """(2,) the sum at the start and at the end, over all or one of each."""
        chosen = [
            value
            for (own_term, own_layer), value in self.losses.items()
            if term in (None, own_term) and layer in (None, own_layer)
        ]
        return np.sum(chosen, axis=0) if chosen else np.full(2, np.nan)


def loss_balance(metrics: Mapping[str, Series]) -> LossBalance:
    """What a run recorded as `loss_*`, and as "other" what `total_loss` has beside them.

    Args:
        metrics: of a run, see `read_metrics`.

    Raises:
        DataError: it recorded no losses.
    """
    names = [name for name in metrics if name.startswith("loss_")]
    if not names or "total_loss" not in metrics:
        raise DataError("no losses were recorded")
    iterations = metrics["total_loss"][0]
    count = max(1, len(iterations) // PART)
    starts, ends = iterations[:count], iterations[-count:]
    losses = {}
    for name in names:
        term, layer = term_and_layer(name)
        losses[term, layer or LAST] = _means(metrics[name], starts, ends)
    total = _means(metrics["total_loss"], starts, ends)
    other = total - np.sum(list(losses.values()), axis=0)
    if (np.abs(other) > 0.001 * np.abs(total)).any():
        losses[OTHER, LAST] = other
    first, last = ((int(some[0]) + 1, int(some[-1]) + 1) for some in (starts, ends))
    return LossBalance(first, last, losses)


def _means(series: Series, starts: np.ndarray, ends: np.ndarray) -> np.ndarray:
    """Means at these iterations; what is not recorded there counts 0, as in the objective."""
    iterations, values = series
    return np.array(
        [values[np.isin(iterations, some)].sum() / len(some) for some in (starts, ends)]
    )
