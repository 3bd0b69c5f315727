"""Evaluations that end early when a signal asks for it: in every process or in none."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from aligndetr.distributed import all_gather_object, world_size

T = TypeVar("T")


class EvaluationCut(BaseException):
    """An evaluation ended early and has no result."""


class Cut:
    """Whether evaluations of this process should end early; there is one, as there is of signals.

    Attributes:
        asked: whether somebody wants that.
    """

    def __init__(self) -> None:
        self.asked = False
        self._at_once = False

    def ask(self) -> None:
        """From now on let evaluations end early; signal handlers call it.

        Raises:
            EvaluationCut: in the middle of `at_once`.
        """
        self.asked = True
        if self._at_once:
            raise EvaluationCut

    def forget(self) -> None:
        """Let evaluations run to their end again."""
        self.asked = False

    @contextmanager
    def at_once(self) -> Generator[None]:
        """A block that a single process leaves wherever it is; others could wait for it in vain.

        Raises:
            EvaluationCut: it was asked for, before or inside of the block.
        """
        try:
            self._at_once = world_size() == 1
            if self._at_once and self.asked:
                raise EvaluationCut
            yield
        finally:
            self._at_once = False

    def until_asked(self, batches: Iterable[T]) -> Iterator[T]:
        """The batches of this process, or the first of them.

        Raises:
            EvaluationCut: at the end, in every process, if it was asked for in any of them.
        """
        for batch in () if self.asked else batches:
            yield batch
            if self.asked:
                break
        if any(all_gather_object(self.asked)):
            raise EvaluationCut


cut = Cut()
