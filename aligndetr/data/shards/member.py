"""An image inside of a shard: its name says where its bytes are."""

from __future__ import annotations

import logging
import os
import re
import tarfile
import time
from dataclasses import dataclass
from pathlib import Path

from aligndetr.data.shards.mirroring import fetch_shard
from aligndetr.errors import DataError

logger = logging.getLogger(__name__)

HEADER = tarfile.BLOCKSIZE  # bytes before those of a file in a tar
PAUSES_S = (0.5, 2.0)  # before a shard is tried again
GIVEN_UP_S = 600.0  # how long a shard that failed is not tried again by this process
_NAME = re.compile(r"(?P<shard>.+\.tar)#(?P<offset>\d{1,15})\+(?P<length>\d{1,15})/(?P<name>.+)")

_given_up: dict[Path, tuple[float, str]] = {}


class ShardError(DataError):
    """A shard is missing or broken; of all its images the message is the same."""


@dataclass(frozen=True)
class Member:
    """Where the bytes of an image are; as text `train-000003.tar#1536+20011/00000123_cat.jpg`.

    Attributes:
        shard: the tar file.
        offset: of the first byte in it.
        length: in bytes.
        name: in the tar's own list.
    """

    shard: Path
    offset: int
    length: int
    name: str

    def __str__(self) -> str:
        return f"{self.shard}#{self.offset}+{self.length}/{self.name}"


def member_of(path: str | os.PathLike) -> Member | None:
    """The member that a path names; None for the path of a file."""
    found = _NAME.fullmatch(os.fspath(path))
    if not found:
        return None
    numbers = int(found["offset"]), int(found["length"])
    return Member(Path(found["shard"]), *numbers, found["name"])


def read_member(member: Member) -> bytes:
    """The bytes of an image; its shard is fetched if it is a mirror's and not there yet.

    What fails is tried again after a pause, then given up for ten minutes by this process.

    Raises:
        ShardError: the shard cannot be read, or is not the one that the index describes.
    """
    since, reason = _given_up.get(member.shard, (0.0, ""))
    if reason and time.monotonic() - since < GIVEN_UP_S:
        raise ShardError(reason)
    for pause in (*PAUSES_S, None):
        try:
            content = _read(member)
            _given_up.pop(member.shard, None)
            return content
        except (OSError, tarfile.HeaderError, DataError) as error:
            cause = error
        if pause is not None:
            logger.warning("shard %s: %s; tried again", member.shard, _words(cause))
            time.sleep(pause)
    reason = f"shard {member.shard} cannot be read: {_words(cause)} ({len(PAUSES_S) + 1} times)"
    _given_up[member.shard] = (time.monotonic(), reason)
    raise ShardError(reason) from cause


def _read(member: Member) -> bytes:
    try:
        file = open(member.shard, "rb")  # noqa: SIM115
    except FileNotFoundError:
        fetch_shard(member.shard)
        file = open(member.shard, "rb")  # noqa: SIM115
    with file:
        file.seek(member.offset - HEADER)
        content = file.read(HEADER + member.length)
    if len(content) < HEADER + member.length:
        raise DataError("it is shorter than its index says; was it copied completely?")
    header = tarfile.TarInfo.frombuf(content[:HEADER], "utf-8", "strict")
    if (header.name, header.size) != (member.name, member.length):
        raise DataError(f"it has {header.name} where its index says {member.name}")
    return content[HEADER:]


def _words(error: Exception) -> str:
    if isinstance(error, FileNotFoundError):
        return "it does not exist"
    if isinstance(error, tarfile.HeaderError):
        return f"it is damaged, or another than its index describes ({error})"
    return str(getattr(error, "strerror", None) or error)
