"""A local folder that mirrors shards at a URL: the index at once, a shard when it is needed.

Everything else sees a folder on disk; only what finds no file there asks `fetch_shard`.
"""

from __future__ import annotations

import hashlib
import logging
import os
import re
from pathlib import Path, PurePosixPath
from typing import Any

from iopath.common.file_io import file_lock

from aligndetr.data.shards.sums import SUMS_FILE, parse_sums, read_sums
from aligndetr.errors import DataError
from aligndetr.files import atomic_write, sha256_of, writing

logger = logging.getLogger(__name__)

CACHE, CACHE_GB = "ALIGNDETR_SHARD_CACHE", "ALIGNDETR_SHARD_CACHE_GB"
ORIGIN_FILE = "origin.txt"
_URL = re.compile(r"[a-z][a-z0-9+.-]+://.+")


def is_url(path: str | os.PathLike) -> bool:
    """Whether a path is the URL of a folder of shards, such as s3://bucket/coco_shards."""
    return bool(_URL.fullmatch(os.fspath(path)))


def mirror(url: str) -> Path:
    """The local folder of a URL, below `$ALIGNDETR_SHARD_CACHE`, with the newest index in it.

    Shards that were fetched earlier and have changed since are removed. If nobody answers, what
    an earlier call has left is used, and a warning says so.

    Raises:
        DataError: there are no shards, or they cannot be reached.
    """
    url = url.rstrip("/")
    with writing(folder := _place(url)):
        folder.mkdir(parents=True, exist_ok=True)
    with file_lock(str(folder / "mirror")):
        try:
            text = _fetched(f"{url}/{SUMS_FILE}")
        except DataError as error:
            if not is_mirror(folder):
                raise
            logger.warning("%s; what was fetched earlier is used", error)
            return folder
        _remove_changed(folder, parse_sums(text.decode("utf-8", "replace"), url))
        with atomic_write(folder / SUMS_FILE, "wb") as file:
            file.write(text)
        for name in read_sums(folder):
            if not name.endswith(".tar") and not (folder / name).is_file():
                _transfer(url, folder / name)
        with atomic_write(folder / ORIGIN_FILE) as file:
            file.write(url)
    return folder


def is_mirror(folder: Path) -> bool:
    """Whether the shards of a folder are elsewhere."""
    return (folder / ORIGIN_FILE).is_file()


def fetch_shard(path: Path) -> None:
    """Bring a shard into its mirror; of several processes one does, and the others wait.

    Where `$ALIGNDETR_SHARD_CACHE_GB` limits what all mirrors hold, the shards that were fetched
    first make room.

    Raises:
        FileNotFoundError: its folder is no mirror, so that there is nothing to fetch.
        DataError: it cannot be fetched, or not as its SHA-256 says.
    """
    if not is_mirror(path.parent):
        raise FileNotFoundError(path)
    with file_lock(str(path)):
        if not path.is_file():
            _make_room(path.parent.parent)
            _transfer((path.parent / ORIGIN_FILE).read_text(encoding="utf-8"), path)


def _place(url: str) -> Path:
    root = os.environ.get(CACHE) or "~/.cache/aligndetr/shards"
    digest = hashlib.sha256(url.encode()).hexdigest()[:8]
    return Path(root).expanduser() / f"{PurePosixPath(url).name}-{digest}"


def _remove_changed(folder: Path, sums: dict[str, str]) -> None:
    before = read_sums(folder) if (folder / SUMS_FILE).is_file() else {}
    for name, digest in before.items():
        if sums.get(name) != digest:
            (folder / name).unlink(missing_ok=True)


def _transfer(url: str, path: Path) -> None:
    """Bring one file; it is compared with its SHA-256 before it gets its name."""
    expected = read_sums(path.parent).get(path.name)
    logger.info("fetching %s/%s", url, path.name)
    filesystem, root = _filesystem(url)
    unfinished = path.with_name(f".{path.name}.part")
    try:
        filesystem.get_file(f"{root.rstrip('/')}/{path.name}", str(unfinished))
        if sha256_of(unfinished) != expected:
            raise DataError(f"what {url}/{path.name} gives does not have its SHA-256")
        os.replace(unfinished, path)
    except DataError:
        raise
    except Exception as error:  # of whichever library speaks the protocol
        raise DataError(_cannot(f"{url}/{path.name}", error)) from error
    finally:
        unfinished.unlink(missing_ok=True)


def _fetched(url: str) -> bytes:
    filesystem, place = _filesystem(url)
    try:
        return filesystem.cat_file(place)
    except FileNotFoundError:
        raise DataError(f"{url} does not exist: no shards of `aligndetr shard` are there") from None
    except Exception as error:  # of whichever library speaks the protocol
        raise DataError(_cannot(url, error)) from error


def _cannot(url: str, error: Exception) -> str:
    words = str(error).splitlines()
    return f"cannot fetch {url}: {type(error).__name__}{f': {words[0]}' if words else ''}"


def _filesystem(url: str) -> tuple[Any, str]:
    try:
        from fsspec.core import url_to_fs
    except ImportError as error:
        raise DataError("shards at a URL need: pip install 'aligndetr[shards]'") from error
    try:
        return url_to_fs(url)
    except (ImportError, ValueError) as error:  # s3fs and the like, or no such protocol
        raise DataError(f"cannot read {url}: {error}") from error


def _make_room(cache: Path) -> None:
    limit = os.environ.get(CACHE_GB)
    if not limit:
        return
    shards = [(path.stat(), path) for path in cache.glob("*/*.tar")]
    total = sum(status.st_size for status, _ in shards)
    for status, path in sorted(shards, key=lambda pair: (pair[0].st_mtime_ns, pair[1].name)):
        if total <= float(limit) * 1e9:
            return
        path.unlink(missing_ok=True)
        total -= status.st_size
