"""Where recorded numbers go: the interface."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext

from aligndetr.engine.events import EventStorage


class Writer:
    """Shows or stores what the storage holds; lives in the main process only.

    Subclasses define `write`, and what they need of the rest. `train.writers` of a config adds
    them to those that every run has.
    """

    _next = 0

    def start(self, start_iter: int, max_iter: int) -> None:
        """Before the first iteration.

        Args:
            start_iter: the first iteration that will be written; not 0 in a resumed training.
            max_iter: the end.
        """
        self._next = start_iter

    def write(self, storage: EventStorage, iteration: int) -> None:
        """Take the present values.

        Args:
            storage: what was recorded; see `news`, and its `pictures`.
            iteration: index of the step just done.
        """
        raise NotImplementedError

    def close(self) -> None:
        """No more values will come; also called when `start` was not."""

    def paused(self) -> AbstractContextManager:
        """Inside of it others may use the terminal."""
        return nullcontext()

    def news(self, storage: EventStorage, iteration: int) -> dict[str, tuple[float, int]]:
        """(value, its iteration) by name of what was recorded since this was last asked."""
        first, self._next = self._next, iteration + 1
        return {
            name: (value, recorded)
            for name, (value, recorded) in storage.smoothed().items()
            if recorded >= first
        }
