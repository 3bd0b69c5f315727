"""What is to be looked at: images, folders, patterns, URLs, arrays, videos, cameras."""

from __future__ import annotations

import glob
import os
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import takewhile
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from ..errors import DataError, UserError
from .picture import Picture, upright_rgb
from .video import CAMERA, VIDEO_SUFFIXES, check_pyav, video_pictures

SUFFIXES = {".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff", ".gif", ".ppm", ".pgm"}

_URL = re.compile(r"https?://", re.IGNORECASE)
_PATTERN = re.compile(r"[*?\[]")


@dataclass(frozen=True)
class Source:
    """One thing that was given: an image, or a video of many pictures.

    Attributes:
        name: as it was given.
        pictures: yields what it holds; DataError where that cannot be read.
        is_video: whether its pictures have a `frame`.
    """

    name: str
    pictures: Callable[[], Iterator[Picture]]
    is_video: bool = False


class Sources:
    """The sources in whatever was given, found as they are asked for.

    Args:
        inputs: one, or any nesting of lists and iterators, of
            - paths: of images and videos; of folders, searched with all subfolders for files with
              the suffix of an image, hidden ones and `output` passed over; patterns such as
              `images/*.jpg`, `**` for subfolders,
            - URLs of images and videos,
            - `camera:0`, or a number: a camera,
            - Pillow images, and arrays as `upright_rgb` takes them; (B, H, W, C) is B of them.
        output: the folder that is written to.
        stride: of a video, each so many-th frame is looked at.
        most_pixels: of an image; None: see `usual_pixels`.
        fetch: makes a local copy of what a URL leads to; None: URLs are refused.

    Attributes:
        skipped: files in folders that were passed over because of their suffix.

    Raises:
        UserError: (while iterating) a path does not exist, or a pattern fits none; PyAV is missing.
    """

    def __init__(
        self,
        inputs: Any,
        output: str | os.PathLike | None = None,
        stride: int = 1,
        most_pixels: int | None = None,
        fetch: Callable[[str], Path] | None = None,
    ) -> None:
        if stride < 1:
            raise UserError(f"a stride of {stride} is no number of frames; give 1 or more")
        self.skipped: list[Path] = []
        self._inputs = inputs
        self._output = None if output is None else Path(output)
        self._stride = stride
        self._read = partial(upright_rgb, most_pixels=most_pixels)
        self._fetch = fetch
        self._taken: set[Path] = set()

    def __iter__(self) -> Iterator[Source]:
        yield from self._sources(self._inputs)

    def _sources(self, given: Any) -> Iterator[Source]:
        if isinstance(given, Image.Image):
            yield self._in_memory(given, getattr(given, "filename", ""))
        elif isinstance(given, np.ndarray) and given.ndim == 4:
            yield from map(self._in_memory, given)
        elif isinstance(given, int):
            yield self._video(f"{CAMERA}{given}")
        elif isinstance(given, str) and _URL.match(given):
            yield self._from_network(given)
        elif isinstance(given, str) and given.startswith(CAMERA):
            yield self._video(given)
        elif isinstance(given, str | os.PathLike):
            yield from self._files(Path(given))
        elif isinstance(given, Iterable) and not hasattr(given, "__array__"):
            for part in given:
                yield from self._sources(part)
        else:
            yield self._in_memory(given)

    def _files(self, path: Path) -> Iterator[Source]:
        if path.is_dir():
            for file in _below(path, self._output):
                if file.suffix.lower() in SUFFIXES:
                    yield self._image(file, file.relative_to(path))
                else:
                    self.skipped.append(file)
        elif os.path.lexists(path):
            yield self._file(path, Path(path.name))
        elif _PATTERN.search(str(path)):
            yield from self._fitting(path)
        else:
            raise DataError(f"{path} does not exist; give image files or folders")

    def _fitting(self, pattern: Path) -> Iterator[Source]:
        root = Path(*takewhile(lambda part: not _PATTERN.search(part), pattern.parts))
        found = map(Path, sorted(glob.glob(str(pattern), recursive=True)))
        files = [path for path in found if path.is_file()]
        if not files:
            raise UserError(f"no file fits the pattern {pattern}")
        for file in files:
            yield self._file(file, file.relative_to(root))

    def _file(self, path: Path, target: Path) -> Source:
        if path.suffix.lower() in VIDEO_SUFFIXES:
            return self._video(str(path), target)
        return self._image(path, target)

    def _image(self, path: Path, target: Path) -> Source:
        picture = Picture(str(path), self._free(target), partial(self._read, path))
        return Source(picture.name, partial(_one, picture))

    def _in_memory(self, image: Any, name: str = "") -> Source:
        target = self._free(Path(Path(name).name or "image.png"))
        picture = Picture(name or target.stem, target, partial(self._read, image))
        return Source(picture.name, partial(_one, picture))

    def _video(self, name: str, target: Path | None = None) -> Source:
        check_pyav(name)
        target = self._free(target or Path(name.replace(":", "_"))).with_suffix("")
        return Source(name, partial(video_pictures, name, name, target, self._stride), True)

    def _from_network(self, url: str) -> Source:
        self._fetcher(url)
        name = Path(url.partition("#")[0].partition("?")[0].rpartition("/")[2] or "image.png")
        if name.suffix.lower() in VIDEO_SUFFIXES:
            check_pyav(url)
            target = self._free(name).with_suffix("")
            return Source(url, partial(self._fetched_video, url, target), True)
        picture = Picture(url, self._free(name), partial(self._read_fetched, url))
        return Source(url, partial(_one, picture))

    def _fetched_video(self, url: str, target: Path) -> Iterator[Picture]:
        yield from video_pictures(self._fetched(url), url, target, self._stride)

    def _read_fetched(self, url: str) -> np.ndarray:
        path = self._fetched(url)
        try:
            return self._read(path)
        except DataError as error:
            raise DataError(f"{url}: {error}") from error

    def _fetcher(self, url: str) -> Callable[[str], Path]:
        if self._fetch is None:
            raise UserError(f"{url}: download it and give the local file instead")
        return self._fetch

    def _fetched(self, url: str) -> Path:
        try:
            return self._fetcher(url)(url)
        except UserError as error:
            raise DataError(str(error)) from error

    def _free(self, name: Path) -> Path:
        """JPEG stays JPEG, all else becomes PNG; a second picture of a name is numbered."""
        suffix = name.suffix if name.suffix.lower() in (".jpg", ".jpeg") else ".png"
        target, number = name.with_suffix(suffix), 2
        while target in self._taken:
            target = name.with_name(f"{name.stem}_{number}{suffix}")
            number += 1
        self._taken.add(target)
        return target


def is_one_image(given: Any) -> bool:
    """Whether it can only hold one image, as opposed to a list, a folder, a pattern, a video."""
    if isinstance(given, str | os.PathLike):
        name = os.fspath(given)
        many = os.path.isdir(name) or name.startswith(CAMERA)
        many = many or Path(name.partition("?")[0]).suffix.lower() in VIDEO_SUFFIXES
        pattern = _PATTERN.search(name) and not _URL.match(name) and not os.path.lexists(name)
        return not many and not pattern
    return isinstance(given, Image.Image) or (hasattr(given, "__array__") and np.ndim(given) < 4)


def is_source(word: str) -> bool:
    """Whether a word of a command line can only be meant as an input, be it there or not."""
    suffix = Path(word).suffix.lower()
    return (
        bool(_URL.match(word) or _PATTERN.search(word))
        or word.startswith(CAMERA)
        or suffix in SUFFIXES | VIDEO_SUFFIXES
    )


def _one(picture: Picture) -> Iterator[Picture]:
    yield picture


def _below(folder: Path, output: Path | None) -> Iterator[Path]:
    """Files that are neither hidden nor below `output`."""
    outside = None if output is None else output.resolve()
    for file in sorted(folder.rglob("*")):
        hidden = any(part.startswith(".") for part in file.relative_to(folder).parts)
        if file.is_file() and not hidden and outside not in file.resolve().parents:
            yield file
