"""Writing shards: tar files in webdataset's layout, an index for each split, SHA256SUMS."""

from __future__ import annotations

import gzip
import io
import json
import re
import tarfile
from contextlib import closing
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from aligndetr.data.conversion.writing import Part
from aligndetr.data.formats.shards import INDEX
from aligndetr.data.images import read_file
from aligndetr.data.shards.member import HEADER, Member
from aligndetr.data.shards.sums import write_sums

SHARD_BYTES = 256 * 10**6
_ORDER_SEED = 0  # of the images in the shards: the same data gives the same files


def write(parts: list[Part], folder: Path, shard_bytes: int = SHARD_BYTES) -> None:
    """Write all parts of a dataset.

    Images come in an order drawn once, so that neighbours in a shard, such as the pictures of one
    camera, are not neighbours in a training that shuffles only among the shards at hand.

    Args:
        parts: of one dataset.
        folder: empty.
        shard_bytes: a shard ends with the image that reaches them.
    """
    for part in parts:
        split = part.split or "all"
        images = part.reading.content["images"]
        order = np.random.default_rng(_ORDER_SEED).permutation(len(images)).tolist()
        names: dict[Any, str] = {}
        annotations: dict[Any, list] = part.annotations()
        with closing(_Tars(folder, split, shard_bytes)) as tars:
            for place in order:
                image: dict[str, Any] = {
                    **images[place],
                    "file_name": part.files[images[place]["id"]],
                }
                content = read_file(part.reading.image_root / images[place]["file_name"])
                sample = {**image, "annotations": annotations[image["id"]]}
                names[image["id"]] = tars.add(place, content, sample)
        _write_index(folder / f"{split}{INDEX}", part, names)
    write_sums(folder)


class _Tars:
    """The shards of a split, one after the other: `train-000000.tar`, `train-000001.tar`, ..."""

    def __init__(self, folder: Path, split: str, shard_bytes: int) -> None:
        self.folder, self.split, self.shard_bytes = folder, split, shard_bytes
        self._tar: tarfile.TarFile | None = None
        self._path = Path()
        self._count = 0

    def add(self, place: int, image: bytes, sample: dict[str, Any]) -> str:
        """Write an image, and what is known of it beside it; returns the image's name."""
        path = PurePosixPath(sample["file_name"])
        key = _key(place, path.stem)
        if self._tar is None or self._tar.offset >= self.shard_bytes:
            self.close()
            self._path = self.folder / f"{self.split}-{self._count:06d}.tar"
            self._tar = tarfile.open(self._path, "w", format=tarfile.USTAR_FORMAT)  # noqa: SIM115
            self._count += 1
        name = f"{key}{path.suffix.lower()}"
        member = Member(Path(self._path.name), self._tar.offset + HEADER, len(image), name)
        _add(self._tar, name, image)
        _add(self._tar, f"{key}.json", json.dumps(sample).encode())
        return str(member)

    def close(self) -> None:
        """Finish the shard at hand."""
        if self._tar is not None:
            self._tar.close()


def _add(tar: tarfile.TarFile, name: str, content: bytes) -> None:
    information = tarfile.TarInfo(name)
    information.size = len(content)
    tar.addfile(information, io.BytesIO(content))


def _key(place: int, stem: str) -> str:
    """A name that is unique, has no dot (webdataset's keys end there), and fits a tar header."""
    return f"{place:08d}_{re.sub(r'[^A-Za-z0-9_-]', '_', stem)[:60]}"


def _write_index(path: Path, part: Part, names: dict[int, str]) -> None:
    content = part.reading.content
    images = [{**image, "file_name": names[image["id"]]} for image in content["images"]]
    text = json.dumps({**content, "images": images})
    path.write_bytes(gzip.compress(text.encode(), mtime=0))
