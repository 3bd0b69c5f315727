"""Generated parts of pages written by hand, and the rows that they are made of."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from aligndetr.files import atomic_write
from benchmarks.measure import write_json

Row = dict[str, Any]


def read_rows(path: Path) -> list[Row]:
    """Rows of the committed file; none if there is no file yet."""
    return json.loads(path.read_text(encoding="utf-8"))["results"] if path.is_file() else []


@contextmanager
def held(folder: Path, wait: bool) -> Iterator[bool]:
    """A lock on a folder, which is made if need be; it ends with its process, whatever ends that.

    Args:
        folder: held by one process at a time.
        wait: until another process lets it go.

    Yields:
        Whether it is held; always, if waiting.
    """
    folder.mkdir(parents=True, exist_ok=True)
    handle = os.open(folder, os.O_RDONLY)
    try:
        yield _lock(handle, wait)
    finally:
        os.close(handle)


def _lock(handle: int, wait: bool) -> bool:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except BlockingIOError:
        return False
    return True


def note(path: Path, row: Row, add: Callable[[list[Row], Row], list[Row]]) -> list[Row]:
    """Add a row to the committed file, whatever other processes add meanwhile; all rows."""
    with held(path.parent, wait=True):
        rows = add(read_rows(path), row)
        write_json(path, rows)
    return rows


def has_row(path: Path, **head: Any) -> bool:
    """Whether the file has a row with these values."""
    return any(head.items() <= row.items() for row in read_rows(path))


def with_row(rows: list[Row], row: Row, names: Sequence[str], *keys: str) -> list[Row]:
    """The rows with a new one, sorted; it replaces its like.

    Args:
        rows: of the file.
        row: the new one.
        names: values of the first key, in the order in which they come.
        keys: that tell rows apart; rows are sorted by all of them.
    """
    first, *others = keys
    kept = [other for other in rows if any(other[key] != row[key] for key in keys)]
    order = {name: place for place, name in enumerate(names)}
    return sorted([*kept, row], key=lambda r: (order[r[first]], *(r[key] for key in others)))


def write_between(page: Path, begin: str, end: str, lines: list[str]) -> None:
    """Replace what stands between two marks of a page."""
    before, _, rest = page.read_text(encoding="utf-8").partition(begin)
    _, _, after = rest.partition(end)
    text = "\n".join(lines)
    with atomic_write(page) as file:
        file.write(f"{before}{begin}\n\n{text}\n\n{end}{after}")


def table(head: list[str], rows: list[list[str]]) -> list[str]:
    """Lines of a Markdown table, numbers to the right."""
    lines = [f"| {' | '.join(cells)} |" for cells in (head, *rows)]
    return [lines[0], "|---" + "|---:" * (len(head) - 1) + "|", *lines[1:], ""]


def minutes(row: Row) -> str:
    """Processor time of a run in one piece, its evaluation included."""
    return "interrupted" if row["cpu_seconds"] is None else f"{row['cpu_seconds'] / 60:.1f}"
