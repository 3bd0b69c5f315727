"""A detection dataset: records of images and their boxes, without the pixels."""

from __future__ import annotations

import os
import pickle
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np
import torch

from aligndetr.data.catalog import find_sources
from aligndetr.data.formats import Source
from aligndetr.data.records import Record, Records, read_records
from aligndetr.data.shards.layout import layout_of
from aligndetr.errors import DataError

_SUBSET_SEED = 0  # not the training's: runs with several seeds are compared on the same images


class DetectionDataset:
    """Records of one or several datasets; `dataset[i]` is a fresh dict.

    A record is dict(file_name, image_id, height, width, annotations), an annotation dict(bbox
    XYWH in pixels, category_id contiguous, iscrowd, area, id).

    Args:
        name: what messages and result files call it.
        content: classes and records.
        source: where it came from; None when it was put together from several.
        epoch_size: images that count as one epoch in schedules; None: as many as there are.

    Attributes:
        class_names: K names by contiguous index.
        category_ids: K ids of the annotation file by contiguous index.
        source: where it came from, or None.
        image_sizes: (N, 2) int64, (height, width) of each record.
        layout: where the images lie in shards; None if they are files of their own.
        epoch_size: images that count as one epoch.
    """

    def __init__(
        self,
        name: str,
        content: Records,
        source: Source | None = None,
        epoch_size: int | None = None,
    ) -> None:
        self.name = name
        self.class_names = list(content.class_names)
        self.category_ids = list(content.category_ids)
        self.source = source
        self.epoch_size = epoch_size or len(content.records)
        sizes = [(record["height"], record["width"]) for record in content.records]
        self.image_sizes = np.array(sizes, dtype=np.int64).reshape(-1, 2)
        self.layout = layout_of(record["file_name"] for record in content.records)
        self._records = PackedRecords(content.records)

    @property
    def num_classes(self) -> int:
        """K."""
        return len(self.class_names)

    def count_objects(self) -> list[int]:
        """Objects of each of the N images; crowds are none."""
        return [sum(not entry["iscrowd"] for entry in record["annotations"]) for record in self]

    def random_subset(self, count: int) -> DetectionDataset:
        """The same `count` images every time, those of a smaller number among them.

        Args:
            count: how many, at most as there are; they keep their order and all classes their
                index. One epoch then is as many images.
        """
        chosen = np.random.default_rng(_SUBSET_SEED).permutation(len(self))[:count]
        records = [self[index] for index in sorted(chosen.tolist())]
        return DetectionDataset(self.name, Records(self.class_names, self.category_ids, records))

    def __len__(self) -> int:
        return len(self._records)

    def __getitem__(self, index: int) -> Record:
        return self._records[index]

    def __iter__(self) -> Iterator[Record]:
        return iter(self._records)

    def __repr__(self) -> str:
        return f"DetectionDataset({self.name}: {len(self)} images, {self.num_classes} classes)"


class PackedRecords:
    """A read-only list of picklable records, held as bytes instead of Python objects.

    A list of dicts is copied page by page into every forked worker, because reading an object
    writes its reference count. Bytes are not; as tensors they are also handed to spawned
    workers through shared memory instead of being copied.

    Args:
        records: anything picklable; they are consumed one at a time.
    """

    def __init__(self, records: Iterable[Any]) -> None:
        parts = [pickle.dumps(record, protocol=pickle.HIGHEST_PROTOCOL) for record in records]
        ends = np.cumsum([0] + [len(part) for part in parts], dtype=np.int64)
        self._bytes = torch.from_numpy(np.frombuffer(bytearray(b"".join(parts)), dtype=np.uint8))
        self._ends = torch.from_numpy(ends)

    def __len__(self) -> int:
        return len(self._ends) - 1

    def __getitem__(self, index: int) -> Any:
        if not -len(self) <= index < len(self):
            raise IndexError(f"record {index} of {len(self)}")
        start, end = self._ends.numpy()[[index % len(self), index % len(self) + 1]]
        return pickle.loads(memoryview(self._bytes.numpy()[start:end]))

    def __iter__(self) -> Iterator[Any]:
        return (self[index] for index in range(len(self)))


def load_dataset(
    names: str | Sequence[str] | None,
    json_file: str | os.PathLike | None = None,
    image_root: str | os.PathLike | None = None,
    filter_empty: bool = False,
    path: str | os.PathLike | None = None,
    split: str | None = None,
) -> DetectionDataset:
    """Load datasets by name, or own data of any form that `formats` knows.

    Args:
        names: a registered name, or several to train on together; not used with a path.
        json_file: COCO annotations of own data, as an alternative to `path`; see `find_sources`.
        image_root: the image folder of own data; with a path only where it cannot be found.
        path: own data: a folder, or an annotation file.
        split: the part of the data at `path`: train, val or test; None where it is not divided.
        filter_empty: leave out images without a box that is not a crowd.

    Raises:
        DataError: unknown name, missing or broken files, different classes, or nothing left.
    """
    sources = find_sources(names, json_file, image_root, path, split)
    if not sources:
        raise DataError("no dataset: give a name, or a path")
    return _concatenate([_load_one(name, source, filter_empty) for name, source in sources])


def _load_one(name: str, source: Source, filter_empty: bool) -> DetectionDataset:
    content = read_records(source)
    if filter_empty:
        content.records = [record for record in content.records if _has_objects(record)]
    if not content.records:
        raise DataError(f"{name}: {source.path} has no images" + " with boxes" * bool(filter_empty))
    return DetectionDataset(name, content, source, source.epoch_size)


def _has_objects(record: Record) -> bool:
    return any(not annotation["iscrowd"] for annotation in record["annotations"])


def _concatenate(datasets: list[DetectionDataset]) -> DetectionDataset:
    first = datasets[0]
    if len(datasets) == 1:
        return first
    for other in datasets[1:]:
        if other.class_names != first.class_names:
            raise DataError(
                f"{first.name} and {other.name} have different classes and cannot be joined: "
                f"{first.class_names[:5]}... and {other.class_names[:5]}..."
            )
    records = [record for dataset in datasets for record in dataset]
    content = Records(first.class_names, first.category_ids, records)
    label = "+".join(dataset.name for dataset in datasets)
    return DetectionDataset(label, content, epoch_size=sum(d.epoch_size for d in datasets))
