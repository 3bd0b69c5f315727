"""Where a dataset is."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Source:
    """A dataset on disk, which `read` reads.

    Attributes:
        path: annotation file, or the folder that holds the annotation files.
        image_root: the folder that file names are relative to; None: the format knows.
        format: a key of `FORMATS`.
        split: the part of it, such as "train"; None where it is not divided.
        epoch_size: images that count as one epoch in schedules; None: as many as there are.
    """

    path: Path
    image_root: Path | None = None
    format: str = "coco"
    split: str | None = None
    epoch_size: int | None = None
