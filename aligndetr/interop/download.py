"""Files from the network: fetched once, whole or not at all, compared with a hash that is known."""

from __future__ import annotations

import hashlib
import logging
import re
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from http.client import HTTPException, HTTPResponse
from pathlib import Path
from urllib.error import HTTPError
from urllib.parse import urlsplit
from urllib.request import Request, urlopen

import torch
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

from aligndetr import __version__
from aligndetr.errors import CheckpointError
from aligndetr.files import atomic_write, sha256_of

logger = logging.getLogger(__name__)

# Their files are called <name>-<first digits of the SHA-256>.pth; elsewhere such digits may be a
# date or a commit.
HASH_IN_NAME = ("download.pytorch.org", "download.openmmlab.com", "dl.fbaipublicfiles.com")
NAMED_HASH = re.compile(r".*-([0-9a-f]{8,64})\.\w+")
GIVEN_HASH = re.compile(r"sha256=([0-9a-f]{64})")
PAUSES_S = (1.0, 2.0, 4.0, 8.0)  # before the transfer that was cut is taken up again
SILENCE_S = 30.0  # of a server, after which the connection counts as cut
CHUNK = 1 << 20


def fetch(url: str) -> Path:
    """Local copy of what a URL leads to, below `torch.hub.get_dir()`.

    It is compared with its SHA-256, each time, where that is known: from the end of the URL
    (`#sha256=` and 64 digits), or from the file's name on servers that write the first digits into
    it. A transfer that is cut is taken up where it was.

    Args:
        url: of http or https.

    Raises:
        CheckpointError: it cannot be fetched, or does not have this hash. Nothing is left of it.
        UserError: it cannot be written.
    """
    address, _, end = url.partition("#")
    expected = _expected_hash(address, end)
    path = _place(address)
    if path.is_file():
        if sha256_of(path).startswith(expected):
            return path
        logger.warning("%s does not have the SHA-256 %s: fetched anew", path, expected)
    _download(address, path, expected)
    return path


def _expected_hash(address: str, end: str) -> str:
    """First digits of the SHA-256, none if it is not known."""
    given = GIVEN_HASH.fullmatch(end.lower())
    if end and not given:
        raise CheckpointError(
            f"{address}#{end}: what follows # must be sha256= and the 64 digits of the file's hash"
        )
    parts = urlsplit(address)
    named = NAMED_HASH.fullmatch(parts.path) if parts.hostname in HASH_IN_NAME else None
    found = given or named
    return found.group(1) if found else ""


def _place(address: str) -> Path:
    """A folder of its own for every URL: files of other servers may have the same name."""
    name = re.sub(r"[^\w.-]", "_", urlsplit(address).path.rpartition("/")[2])[-100:]
    if not name.strip("."):
        raise CheckpointError(f"{address} names no file")
    folder = hashlib.sha256(address.encode()).hexdigest()[:16]
    return Path(torch.hub.get_dir()) / "checkpoints" / "aligndetr" / folder / name


def _download(address: str, path: Path, expected: str) -> None:
    digest = hashlib.sha256()
    with atomic_write(path, "wb") as file, _progress() as progress:
        task = progress.add_task(path.name)
        for part in _parts(address):
            if part.offset == 0:
                digest = hashlib.sha256()
                file.seek(0)
                file.truncate()
            digest.update(part.content)
            file.write(part.content)
            progress.update(task, completed=file.tell(), total=part.total)
        found = digest.hexdigest()
        if not found.startswith(expected):
            raise CheckpointError(
                f"{address} is not the file that was meant: its SHA-256 is {found}, expected is "
                f"{expected}{'' if len(expected) == 64 else '...'}. It was removed; ask its "
                "publisher which one is right"
            )
    logger.info("fetched %s into %s", address, path)
    if not expected:
        logger.warning(
            "its hash is not known; to pin what came, write %s#sha256=%s", address, found
        )


@dataclass
class Part:
    """Bytes of a file in transfer.

    Attributes:
        content: not empty.
        offset: where in the file they belong; 0 again if the transfer has to start anew.
        total: size of the file, None if the server does not say.
    """

    content: bytes
    offset: int
    total: int | None


def _parts(address: str) -> Iterator[Part]:
    """All of a file, in order, over as many connections as it takes."""
    offset, version, reason = 0, None, "it is empty"
    for pause in (*PAUSES_S, None):
        try:
            with _connect(address, offset, version) as response:
                offset, total = _range(response, offset)
                version = _version(response)
                while content := response.read(CHUNK):
                    yield Part(content, offset, total)
                    offset += len(content)
            if offset and total in (None, offset):
                return
            reason = f"the connection was cut after {offset} of {total} bytes" if offset else reason
        except (OSError, HTTPException) as error:
            reason = str(error) or type(error).__name__
            if isinstance(error, HTTPError) and error.code < 500:
                break
        if not offset or pause is None:
            break
        logger.warning("fetching %s: %s; going on in %g s", address, reason, pause)
        time.sleep(pause)
    raise CheckpointError(
        f"cannot fetch {address}: {reason}. Download it where there is a connection and give the "
        "local file instead"
    )


def _connect(address: str, offset: int, version: str | None) -> HTTPResponse:
    headers = {"User-Agent": f"aligndetr/{__version__}", "Accept-Encoding": "identity"}
    if offset and version:  # without a version the file may have become another: all of it anew
        headers |= {"Range": f"bytes={offset}-", "If-Range": version}
    return urlopen(Request(address, headers=headers), timeout=SILENCE_S)


def _range(response: HTTPResponse, wanted: int) -> tuple[int, int | None]:
    """(where what comes begins, size of the file)."""
    if response.status == 206:
        part = re.fullmatch(rf"bytes {wanted}-\d+/(\d+)", response.headers["Content-Range"] or "")
        if not part:
            raise HTTPException("the server sends another part of the file than was asked for")
        return wanted, int(part.group(1))
    length = response.headers["Content-Length"]
    return 0, int(length) if length else None


def _version(response: HTTPResponse) -> str | None:
    """What the server calls this state of the file, as `If-Range` takes it."""
    tag = response.headers["ETag"]
    return tag if tag and tag.startswith('"') else response.headers["Last-Modified"]


def _progress() -> Progress:
    columns = TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn()
    console = Console(stderr=True)
    return Progress(*columns, console=console, transient=True, disable=not sys.stderr.isatty())
