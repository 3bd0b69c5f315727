"""Pictures in, predictions out: in order, in batches of equal shape, few in memory at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from ..errors import DataError, UserError
from .batch_size import check_batch_size
from .detections import Detections
from .picture import Picture
from .result import Prediction
from .sources import Source

Detect = Callable[[Sequence[np.ndarray]], Sequence[Detections]]
"""A detector: of (H, W, 3) uint8 RGB arrays of equal shape, the detections of each."""

WINDOW = 4
"""Batches that may be in memory, waiting for pictures of equal shape."""


def raise_on(name: str, error: DataError) -> None:
    """What happens to a picture that cannot be read, unless somebody wants to go on."""
    raise error


@dataclass
class _Waiting:
    """A picture that was read, and what was found in it as soon as that is known."""

    picture: Picture
    pixels: np.ndarray
    found: Detections | None = None


class Pipeline:
    """Detections of a stream of sources.

    Only pictures of equal shape share a batch, so that none is padded: what is found in a picture
    does not depend on what it is batched with. Pictures of other shapes wait, not more of them
    than `WINDOW` batches hold; predictions come in the order of the pictures.

    Args:
        detect: see `Detect`; batches that it gets are not larger than `batch_size`.
        choose: what counts of the detections of a picture.
        batch_size: pictures at once.
        class_names: names by class index, or None.

    Raises:
        UserError: the batch size is below 1.
    """

    def __init__(
        self,
        detect: Detect,
        choose: Callable[[Detections], Detections],
        batch_size: int = 1,
        class_names: Sequence[str] | None = None,
    ) -> None:
        check_batch_size(batch_size)
        self.detect = detect
        self.choose = choose
        self.batch_size = batch_size
        self.class_names = class_names

    def __call__(
        self, sources: Iterable[Source], failed: Callable[[str, DataError], None] = raise_on
    ) -> Iterator[Prediction]:
        """Predict, picture by picture.

        Args:
            sources: see `Sources`; asked for one more when there is room for it.
            failed: called with a name and the error when a picture cannot be read, or a video
                breaks off; the rest goes on if it returns.

        Raises:
            DataError: what `failed` raises, after the predictions of all pictures that came before.
        """
        waiting: list[_Waiting] = []
        try:
            for picture, pixels in _read(sources, failed):
                waiting.append(_Waiting(picture, pixels))
                self._run(waiting, pixels.shape, self.batch_size)
                yield from self._done(waiting)
                if len(waiting) >= self.batch_size * WINDOW:
                    self._run(waiting, waiting[0].pixels.shape)
                    yield from self._done(waiting)
        except UserError:
            yield from self._rest(waiting)
            raise
        yield from self._rest(waiting)

    def _run(self, waiting: list[_Waiting], shape: tuple[int, ...], least: int = 1) -> None:
        """Detect in the first of this shape, if there are enough of them."""
        batch = [each for each in waiting if each.found is None and each.pixels.shape == shape]
        batch = batch[: self.batch_size]
        if len(batch) >= least:
            for each, found in zip(batch, self.detect([b.pixels for b in batch]), strict=True):
                each.found = self.choose(found)

    def _done(self, waiting: list[_Waiting]) -> Iterator[Prediction]:
        while waiting and (found := waiting[0].found) is not None:
            first = waiting.pop(0)
            yield Prediction(first.picture, found, self.class_names, first.pixels)

    def _rest(self, waiting: list[_Waiting]) -> Iterator[Prediction]:
        while waiting:
            self._run(waiting, waiting[0].pixels.shape)
            yield from self._done(waiting)


def _read(
    sources: Iterable[Source], failed: Callable[[str, DataError], None]
) -> Iterator[tuple[Picture, np.ndarray]]:
    for source in sources:
        try:
            for picture in source.pictures():
                yield picture, picture.read()
        except DataError as error:
            failed(source.name, error)
