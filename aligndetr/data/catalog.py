"""Names of datasets, and where their files are."""

from __future__ import annotations

import dataclasses
import difflib
import os
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path

from aligndetr.data.demo_shapes import SPLITS, ensure_shapes
from aligndetr.data.formats import Source, recognise
from aligndetr.errors import DataError

# A source is made when it is asked for: the dataset root may change after the import, and the
# demo set is drawn on first use.
_SOURCES: dict[str, Callable[[], Source]] = {}


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
    source = Source(Path(json_file), Path(image_root), epoch_size=epoch_size)
    _SOURCES[name] = lambda: source


def registered_names() -> list[str]:
    """All known dataset names, sorted."""
    return sorted(_SOURCES)


def get_source(name: str) -> Source:
    """The files of a registered dataset; the demo set is drawn when it is not there yet.

    Raises:
        DataError: the name is unknown; the message names the nearest ones.
    """
    if name not in _SOURCES:
        near = difflib.get_close_matches(name, _SOURCES, n=3, cutoff=0.5)
        hint = f"did you mean {' or '.join(near)}?" if near else f"known: {registered_names()}"
        raise DataError(f"unknown dataset {name!r}; {hint} Own data needs no name: give path")
    return _SOURCES[name]()


def find_sources(
    names: str | Iterable[str] | None,
    json_file: str | os.PathLike | None = None,
    image_root: str | os.PathLike | None = None,
    path: str | os.PathLike | None = None,
    split: str | None = None,
) -> list[tuple[str, Source]]:
    """Pairs of a label and the files of a dataset, for the arguments of `load_dataset`.

    With a json_file, `names` is its label, unless it is the name of a registered dataset: then, and
    without a name, the file's own name is.

    Raises:
        DataError: unknown name, nothing at the path, or arguments that do not belong together.
    """
    for key, place in (("path", path), ("json_file", json_file), ("image_root", image_root)):
        nowhere = place == "" and key != "image_root"  # names of images may be whole paths
        if not isinstance(place, str | os.PathLike | None) or nowhere:
            text = str(place)[:60]
            raise DataError(f"{key} is {text!r}; it must be the name of a file or folder")
    if path is not None:
        if json_file is not None:
            raise DataError(f"path={path} and json_file={json_file} are given: leave one out")
        source = recognise(path, split)
        root = source.image_root if image_root is None else Path(image_root)
        return [(label_of(source), dataclasses.replace(source, image_root=root))]
    if json_file is not None or image_root is not None:
        if json_file is None or image_root is None:
            raise DataError("json_file and image_root belong together: give both or none")
        # a config's json_file is often set over the name of a dataset that it does not hold
        own_label = isinstance(names, str) and names not in _SOURCES
        label = names if own_label else Path(json_file).stem
        return [(label, Source(Path(json_file), Path(image_root)))]
    names = [names] if isinstance(names, str) else names or []
    return [(name, get_source(name)) for name in names]


_PLAIN_FOLDERS = {"annotations", "coco", "train", "val", "valid", "test", "Main", "ImageSets"}


def label_of(source: Source) -> str:
    """What messages call own data: the folder, and the split."""
    path = source.path.resolve()
    folders = [path, *path.parents] if path.is_dir() else path.parents
    name = next(folder.name for folder in folders if folder.name not in _PLAIN_FOLDERS)
    part = source.split or ("" if path.is_dir() else path.stem)
    return f"{name}_{part}" if part else name


def _coco_2017(split: str, epoch_size: int | None) -> Source:
    root = dataset_root() / "coco"
    json_file = root / "annotations" / f"instances_{split}2017.json"
    return Source(json_file, root / f"{split}2017", epoch_size=epoch_size)


def _shapes(name: str) -> Source:
    folder = ensure_shapes(name, dataset_root())
    return Source(folder / "instances.json", folder / "images")


def _below_root(image_root: str | None, path: str, form: str) -> Source:
    root = dataset_root()
    return Source(root / path, None if image_root is None else root / image_root, form)


# 120 000: the published "12 epochs" are 90 000 iterations of 16 images.
_SOURCES["coco_2017_train"] = partial(_coco_2017, "train", 120_000)
_SOURCES["coco_2017_val"] = partial(_coco_2017, "val", None)
_SOURCES.update({name: partial(_shapes, name) for name in SPLITS})
for _split in ("train", "val"):
    for _name, _place in {
        "lvis_v1": ("coco", f"lvis/lvis_v1_{_split}.json", "coco"),
        "objects365_v2": (
            f"objects365/{_split}",
            f"objects365/annotations/zhiyuan_objv2_{_split}.json",
            "objects365",
        ),
        "crowdhuman": ("crowdhuman/Images", f"crowdhuman/annotation_{_split}.odgt", "crowdhuman"),
        "visdrone": (None, f"visdrone/VisDrone2019-DET-{_split}", "visdrone"),
    }.items():
        _SOURCES[f"{_name}_{_split}"] = partial(_below_root, *_place)
