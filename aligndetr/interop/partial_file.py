"""What has come of a file in transfer, kept from one attempt to the next."""

from __future__ import annotations

import os
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from aligndetr.files import UNFINISHED, atomic_write, sha256_of, writing

try:
    import fcntl
except ImportError:  # not Unix: two processes must not fetch the same file at the same time
    fcntl = None


class PartialFile:
    """The first bytes of a file, and of which version of it they are.

    Args:
        path: of the file that it will be; the part lies beside it, under a name of its own.
        file: the part, locked for this process.

    Attributes:
        version: what the server called the file's state when its first byte came; None where it
            said nothing, and then a later attempt cannot go on from here.
    """

    def __init__(self, path: Path, file: IO[bytes]) -> None:
        self.path, self._file = path, file
        self._note = path.with_name(f".{path.name}.version")
        known = self._note.is_file() and self.size
        self.version = self._note.read_text(encoding="utf-8") if known else None
        if self.version is None:
            self._file.truncate(0)

    @property
    def size(self) -> int:
        """Bytes that have come."""
        return self._file.seek(0, os.SEEK_END)

    def restart(self, version: str | None) -> None:
        """Forget what has come: from now on it is another version."""
        self._file.truncate(0)
        self.version = version
        self._note.unlink(missing_ok=True)
        if version is not None:
            with atomic_write(self._note) as note:
                note.write(version)

    def write(self, content: bytes) -> None:
        """Append what came."""
        self._file.write(content)

    def sha256(self) -> str:
        """Of all that has come, in hexadecimal digits."""
        self._file.flush()
        return sha256_of(part_of(self.path))

    def finish(self) -> None:
        """It is whole: give it its name."""
        self._file.flush()
        os.fsync(self._file.fileno())
        os.replace(part_of(self.path), self.path)
        self._note.unlink(missing_ok=True)

    def remove(self) -> None:
        """Leave nothing of it."""
        for path in (part_of(self.path), self._note):
            path.unlink(missing_ok=True)


def part_of(path: Path) -> Path:
    """Where the first bytes of a file lie that is not whole yet."""
    return path.with_name(f".{path.name}{UNFINISHED}")


@contextmanager
def partial_file(path: Path) -> Generator[PartialFile]:
    """Open what has come of a file; others that want the same wait until the block ends.

    An error that says that the file cannot be written leaves nothing of it, any other what can be
    gone on from.

    Args:
        path: of the file that it will be; its folder is made when missing.

    Raises:
        UserError: it cannot be written, for example because the disk is full.
    """
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        file = _locked(path)
    with file:
        part = PartialFile(path, file)
        try:
            with writing(path):
                yield part
                file.flush()
        except BaseException as error:
            if part.version is None or isinstance(error.__cause__, OSError) or not part.size:
                part.remove()
            raise


def _locked(path: Path) -> IO[bytes]:
    """The part, held by this process alone; another may have finished and renamed it meanwhile."""
    part = part_of(path)
    while True:
        file = open(part, "ab")  # noqa: SIM115
        if fcntl is None:
            return file
        fcntl.flock(file, fcntl.LOCK_EX)
        if part.exists() and os.path.samestat(os.fstat(file.fileno()), os.stat(part)):
            return file
        file.close()
