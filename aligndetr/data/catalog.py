"""Names of datasets, and where their files are."""

from __future__ import annotations

import difflib
import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from aligndetr.data.demo_shapes import SPLITS, ensure_shapes
from aligndetr.errors import DataError


@dataclass(frozen=True)
class CocoSource:
    """Where a dataset in COCO format lives.

    Attributes:
        json_file: the annotation file.
        image_root: the folder that the file names in it are relative to.
        epoch_size: images that count as one epoch in schedules; None: as many as there are.
    """

    json_file: Path
    image_root: Path
    epoch_size: int | None = None


# A source is made when it is asked for: the dataset root may change after the import, and the
# demo set is drawn on first use.
_SOURCES: dict[str, Callable[[], CocoSource]] = {}


def dataset_root() -> Path:
    """The folder of the registered datasets: $DETECTRON2_DATASETS, or ./datasets."""
    return Path(os.environ.get("DETECTRON2_DATASETS") or "datasets").expanduser()


def register_coco_instances(
    name: str,
    json_file: str | os.PathLike,
    image_root: str | os.PathLike,
    epoch_size: int | None = None,
) -> None:
    """Give a COCO-format dataset a name that configs can use.

    Args:
        name: for example "kitchen_train"; registering it again replaces it.
        json_file: annotation file.
        image_root: folder of the images.
        epoch_size: images that count as one epoch in schedules; None: as many as there are.
    """
    source = CocoSource(Path(json_file), Path(image_root), epoch_size)
    _SOURCES[name] = lambda: source


def registered_names() -> list[str]:
    """All known dataset names, sorted."""
    return sorted(_SOURCES)


def get_source(name: str) -> CocoSource:
    """The files of a registered dataset; the demo set is drawn when it is not there yet.

    Raises:
        DataError: the name is unknown; the message names the nearest ones.
    """
    if name not in _SOURCES:
        near = difflib.get_close_matches(name, _SOURCES, n=3, cutoff=0.5)
        hint = f"did you mean {' or '.join(near)}?" if near else f"known: {registered_names()}"
        raise DataError(
            f"unknown dataset {name!r}; {hint} "
            "Own data needs no name: give json_file and image_root"
        )
    return _SOURCES[name]()


def find_sources(
    names: str | Iterable[str] | None,
    json_file: str | os.PathLike | None = None,
    image_root: str | os.PathLike | None = None,
) -> list[tuple[str, CocoSource]]:
    """Pairs of a label and the files of a dataset, for the arguments of `load_dataset`.

    Raises:
        DataError: unknown name, or only one of json_file and image_root.
    """
    if (json_file is None) != (image_root is None):
        raise DataError("json_file and image_root belong together: give both or none")
    if json_file is not None:
        label = names if isinstance(names, str) else Path(json_file).stem
        return [(label, CocoSource(Path(json_file), Path(image_root)))]
    names = [names] if isinstance(names, str) else names or []
    return [(name, get_source(name)) for name in names]


def _coco_2017(split: str, epoch_size: int | None) -> CocoSource:
    root = dataset_root() / "coco"
    return CocoSource(
        root / "annotations" / f"instances_{split}2017.json", root / f"{split}2017", epoch_size
    )


def _shapes(name: str) -> CocoSource:
    folder = ensure_shapes(name, dataset_root())
    return CocoSource(folder / "instances.json", folder / "images")


# 120 000: the published "12 epochs" are 90 000 iterations of 16 images.
_SOURCES["coco_2017_train"] = partial(_coco_2017, "train", 120_000)
_SOURCES["coco_2017_val"] = partial(_coco_2017, "val", None)
_SOURCES.update({name: partial(_shapes, name) for name in SPLITS})
