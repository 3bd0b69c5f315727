"""SHA256SUMS: the list of a folder's files and what they must hold, as `sha256sum -c` reads it."""

from __future__ import annotations

import re
from pathlib import Path

from aligndetr.errors import DataError
from aligndetr.files import check_regular, sha256_of

SUMS_FILE = "SHA256SUMS"
_LINE = re.compile(r"([0-9a-f]{64})  ([\w-][\w.-]{0,200})")


def parse_sums(text: str, where: object) -> dict[str, str]:
    """File name -> SHA-256 in hexadecimal digits.

    Raises:
        DataError: a line is something else, or names a file of another folder.
    """
    lines = [line for line in text.splitlines() if line]
    found = [match for line in lines if (match := _LINE.fullmatch(line))]
    if not found or len(found) < len(lines):
        raise DataError(f"{where}: {SUMS_FILE} is not a list of SHA-256 and file names")
    return {line[2]: line[1] for line in found}


def read_sums(folder: Path) -> dict[str, str]:
    """The list of a folder.

    Raises:
        DataError: it is missing or broken.
    """
    path = folder / SUMS_FILE
    try:
        check_regular(path)
        return parse_sums(path.read_text("utf-8", "replace"), folder)
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror or error}") from error


def write_sums(folder: Path) -> None:
    """List all files of a folder, by name."""
    lines = [f"{sha256_of(path)}  {path.name}\n" for path in sorted(folder.iterdir())]
    (folder / SUMS_FILE).write_text("".join(lines), "utf-8")
