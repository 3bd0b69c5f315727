"""What detects in arrays of equal shape, made to detect in whatever people have."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from .calibrator import Calibrator
from .errors import DataError, some
from .prediction.affordable import affordable_pixels
from .prediction.choice import DEFAULT_THRESHOLD, Choice, class_indices
from .prediction.detections import Detections
from .prediction.pipeline import Pipeline, raise_on
from .prediction.result import Prediction
from .prediction.sources import Sources
from .prediction.tiles import TiledDetector, Tiles


class PictureDetector(ABC):
    """A detector with the names of its classes and the scores from which on they count.

    Attributes:
        num_classes: K.
        class_names: names by class index, or None.
        thresholds: lowest score that counts: one, or one a class.
        fitted_on: what the thresholds were fitted on, in plain values; None: they are the default.
        calibrator: replaces scores, see `Choice`; None leaves them.
        fetch: makes a local copy of what a URL leads to; None: URLs are refused.
    """

    num_classes: int
    class_names: Sequence[str] | None
    thresholds: float | tuple[float, ...] = DEFAULT_THRESHOLD
    fitted_on: Mapping[str, Any] | None = None
    calibrator: Calibrator | None = None
    fetch: Callable[[str], Path] | None = None

    @abstractmethod
    def detect(self, images: Sequence[np.ndarray]) -> list[Detections]:
        """All that the model says of (H, W, 3) uint8 RGB arrays of equal shape, as one batch."""

    def stream(
        self,
        inputs: Any,
        stride: int = 1,
        failed: Callable[[str, DataError], None] = raise_on,
        **options: Any,
    ) -> Iterator[Prediction]:
        """Detections that count, picture by picture, in constant memory.

        Args:
            inputs: see `Sources`.
            stride: of videos, each so many-th frame.
            failed: called with a name and an error when something cannot be read.
            options: see `pipeline`.

        Raises:
            UserError: there is no such input, or what `failed` raises.
        """
        most = affordable_pixels() if options.get("tiles") else None
        sources = Sources(inputs, stride=stride, most_pixels=most, fetch=self.fetch)
        return self.pipeline(**options)(sources, failed)

    def pipeline(
        self,
        batch_size: int = 1,
        threshold: float | None = None,
        classes: Sequence[str | int] | None = None,
        tiles: Tiles | None = None,
        suppress: Callable[[Detections], Detections] | None = None,
    ) -> Pipeline:
        """What turns sources into predictions.

        Args:
            batch_size: pictures of equal shape at once; with `tiles`, tiles.
            threshold: lowest score that counts; None: `thresholds`.
            classes: those that count, by name or index; None: all.
            tiles: cut images into these; None looks at them as a whole.
            suppress: `Suppression` or `SoftSuppression`; None, as the model is trained for it.

        Raises:
            UserError: a class does not exist, or the batch size is none.
        """
        chosen = None
        if classes is not None:
            chosen = tuple(class_indices(classes, self.class_names, self.num_classes))
        thresholds = self.thresholds if threshold is None else threshold
        choose = Choice(thresholds, chosen, self.calibrator, suppress)
        if tiles is None:
            return Pipeline(self.detect, choose, batch_size, self.class_names)
        tiled = TiledDetector(self.detect, tiles, batch_size, choose.lowest)
        return Pipeline(tiled, choose, 1, self.class_names)  # large pictures do not wait for others

    def about_thresholds(self) -> str | None:
        """As `cat 0.41, dog 0.63 (fitted on kitchen_val)`; None where they are not fitted."""
        if self.fitted_on is None or not isinstance(self.thresholds, tuple):
            return None
        names = self.class_names or range(self.num_classes)
        pairs = zip(names, self.thresholds, strict=True)
        fitted_on = self.fitted_on.get("dataset", "unknown data")
        return f"{some([f'{name} {value:.2f}' for name, value in pairs])} (fitted on {fitted_on})"
