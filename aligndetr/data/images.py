"""Images of datasets, be they files of their own or members of shards."""

from __future__ import annotations

import io
import os
from pathlib import Path
from typing import BinaryIO

import numpy as np

from aligndetr.data.shards import member_of, read_member
from aligndetr.files import check_regular
from aligndetr.runtime import images
from aligndetr.runtime.images import FORMATS, MissingImageError, SizeMismatchError, named, to_array

__all__ = [
    "FORMATS",
    "MissingImageError",
    "SizeMismatchError",
    "check_header",
    "read_file",
    "read_image",
    "read_size",
    "to_array",
]


def read_image(
    path: str | os.PathLike,
    size: tuple[int, int] | None = None,
    image_format: str = "RGB",
    short_edge: int | None = None,
) -> np.ndarray:
    """See `runtime.images.read_image`."""
    return images.read_image(path, size, image_format, short_edge, _content(path))


def check_header(path: str | os.PathLike, size: tuple[int, int]) -> None:
    """See `runtime.images.check_header`."""
    images.check_header(path, size, _content(path))


def read_size(path: str | os.PathLike) -> tuple[int, int]:
    """See `runtime.images.read_size`."""
    return images.read_size(path, _content(path))


def read_file(path: str | os.PathLike) -> bytes:
    """The bytes of an image file, be it a file of its own or a member of a shard.

    Raises:
        DataError: it is missing or cannot be read.
    """
    member = member_of(path)
    if member is not None:
        return read_member(member)
    with named(path):
        check_regular(path)
        return Path(path).read_bytes()


def _content(path: str | os.PathLike) -> BinaryIO | None:
    """The bytes of a shard's member."""
    return io.BytesIO(read_file(path)) if member_of(path) else None
