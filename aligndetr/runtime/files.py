"""Files that are written whole or not at all, and those that are safe to wait for."""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
import stat
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from .errors import UserError

UNFINISHED = ".part"  # ends the names of files that are being written, which begin with a dot


@contextmanager
def atomic_write(path: str | os.PathLike, mode: str = "w") -> Generator[IO]:
    """Open a temporary file that replaces `path` when the block ends without an error.

    Readers see the old content or the new one, never a part; a kill leaves the old file.

    Args:
        path: the file to write; its folder is made when missing.
        mode: "w" for text (UTF-8) or "wb" for bytes.

    Raises:
        UserError: the file cannot be written, for example because the disk is full.
    """
    path = Path(path)
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor, temporary = tempfile.mkstemp(UNFINISHED, f".{path.name}.", path.parent)
        try:
            with os.fdopen(descriptor, mode, encoding=None if "b" in mode else "utf-8") as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            os.chmod(temporary, 0o666 & ~_umask())
            os.replace(temporary, path)
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise


def append_line(path: str | os.PathLike, line: str) -> None:
    """Add a line to a text file (UTF-8); file and folder are made when missing.

    Raises:
        UserError: the file cannot be written, for example because the disk is full.
    """
    path = Path(path)
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(path, "a", encoding="utf-8") as file:
            file.write(line + "\n")


@contextmanager
def writing(path: str | os.PathLike) -> Generator[None]:
    """Inside of it `path` is written; a refusal of the system becomes a sentence.

    Raises:
        UserError: instead of an OSError.
    """
    try:
        yield
    except UserError:
        raise
    except (OSError, RuntimeError) as error:
        # when writing fails, torch.save raises an error of its own in the course of the true one
        refusal = error if isinstance(error, OSError) else error.__context__
        if isinstance(refusal, KeyboardInterrupt):
            raise refusal from None
        if not isinstance(refusal, OSError):
            raise
        raise UserError(f"cannot write {path}: {reason_and_remedy(refusal)}") from error


def reason_and_remedy(error: OSError) -> str:
    """Why the system refused to write, and what helps."""
    space = "free some space or " if error.errno in (errno.ENOSPC, errno.EDQUOT) else ""
    return f"{error.strerror or error}; {space}choose another output folder"


def remove_unfinished(folder: Path) -> list[Path]:
    """Remove what killed processes had begun to write there, and return it.

    Only for a folder that nobody else writes to now.
    """
    left = list(folder.rglob(f".*{UNFINISHED}"))
    for path in left:
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)
    return left


def check_regular(path: str | os.PathLike) -> None:
    """Refuse what is no file on a disk: reading a pipe or a device may never come to an end.

    Raises:
        OSError: it is a folder, a pipe, a device or a socket, or it is not there.
    """
    if not stat.S_ISREG(os.stat(path).st_mode):
        raise OSError(errno.EINVAL, "not a regular file", str(path))


def sha256_of(path: str | os.PathLike) -> str:
    """The SHA-256 of a file's content, in hexadecimal digits."""
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while chunk := file.read(1 << 20):
            digest.update(chunk)
    return digest.hexdigest()


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
