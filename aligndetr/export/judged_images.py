"""The images that an exported file is judged by."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from omegaconf import DictConfig

from aligndetr.data import load_dataset as load_named
from aligndetr.data.images import FORMATS, read_image
from aligndetr.engine.loaders_from_config import load_dataset
from aligndetr.errors import DataError, ExportError, some
from aligndetr.runtime.prediction.sources import SUFFIXES

logger = logging.getLogger(__name__)

DEMO = "shapes_val"


@dataclass(frozen=True)
class JudgedImages:
    """Some images, with their objects where these are known.

    Attributes:
        source: what they are, in words.
        files: their paths.
        dataset: of these images, in this order; None without annotations.
    """

    source: str
    files: Sequence[str]
    dataset: Any = None

    def __iter__(self) -> Iterator[np.ndarray]:
        """(H, W, 3) uint8 RGB, upright, one after the other."""
        return (read_image(file) for file in self.files)

    def __len__(self) -> int:
        return len(self.files)


def choose_images(
    config: DictConfig, given: Sequence[str], count: int, class_names: Sequence[str] | None
) -> JudgedImages:
    """Images that were given, else some of the config's test set, else of the demo.

    Args:
        config: of the experiment.
        given: files and folders.
        count: at most.
        class_names: of the model; other objects than these cannot be judged.

    Raises:
        ExportError: there is no image in what was given.
    """
    if given:
        return _given(given, count)
    try:
        dataset, source = load_dataset(config, "test"), "the config's test set"
    except DataError as error:
        logger.warning("%s; judging by images of the demo", error)
        dataset, source = load_named(DEMO), "the demo's images, as the config's are not here"
    chosen = dataset.random_subset(min(count, len(dataset)))
    files = [record["file_name"] for record in chosen]
    is_known = class_names is None or list(class_names) == list(chosen.class_names)
    return JudgedImages(f"{len(files)} of {source}", files, chosen if is_known else None)


def calibration_images(config: DictConfig, count: int) -> list[np.ndarray]:
    """Some images of the config's training set, (H, W, 3) uint8 RGB.

    Raises:
        DataError: it is not here.
    """
    dataset = load_dataset(config, "train")
    chosen = dataset.random_subset(min(count, len(dataset)))
    return [read_image(record["file_name"]) for record in chosen]


def _given(given: Sequence[str], count: int) -> JudgedImages:
    files: list[str] = []
    for path in map(Path, given):
        if not path.exists():
            raise ExportError(f"{path} does not exist; give image files or folders")
        inside = sorted(path.rglob("*")) if path.is_dir() else [path]
        files += [str(file) for file in inside if file.suffix.lower() in SUFFIXES]
    if not files:
        raise ExportError(f"no images in {some(given)}; known are {', '.join(FORMATS)}")
    return JudgedImages(f"{min(count, len(files))} given images", files[:count])
