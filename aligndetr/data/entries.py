"""Entries of the lists in a JSON file: what each key must hold, checked in one place."""

from __future__ import annotations

import os
import reprlib
from collections.abc import Callable
from typing import Any, NamedTuple

from aligndetr.errors import DataError


class EntriesError(DataError):
    """Entries of a JSON file are not what they must be.

    Args:
        json_file: the file.
        defects: one line each: part, index, id, key and value.
    """

    def __init__(self, json_file: str | os.PathLike, defects: list[str]) -> None:
        super().__init__(json_file, defects)
        self.json_file, self.defects = json_file, defects

    def __str__(self) -> str:
        more = f" (and {len(self.defects) - 1} more)" if len(self.defects) > 1 else ""
        return f"{self.json_file}: {self.defects[0]}{more}"


def check_entries(part: str, entries: list[Any], json_file: str | os.PathLike) -> None:
    """Refuse entries whose keys are missing or wrong; numbers become int or float.

    Args:
        part: images, categories, annotations, or results for the list in a file of results.
        entries: its list; numbers are replaced in place.
        json_file: what the message names.

    Raises:
        EntriesError: all defects, in the order of the entries.
    """
    defects = [
        f"{entry_name(part, position, entry)} {defect}"
        for position, entry in enumerate(entries)
        for defect in _entry_defects(entry, *_KEYS[part])
    ]
    if defects:
        raise EntriesError(json_file, defects)


def entry_name(part: str, position: int, entry: Any) -> str:
    """What messages call an entry of a part, such as "images[0] (id 4)"."""
    has_id = isinstance(entry, dict) and "id" in entry
    return f"{part}[{position}]" + (f" (id {reprlib.repr(entry['id'])})" if has_id else "")


_NUMBERS = {int, float}  # not bool, which isinstance would let through


class _Value(NamedTuple):
    """What the value of a key must be.

    Attributes:
        words: after "it must be".
        accept: the value in the form used here, or None when it is something else.
    """

    words: str
    accept: Callable[[Any], Any]


def _whole(low: int, high: int) -> Callable[[Any], int | None]:
    def accept(value: Any) -> int | None:
        if type(value) is float and value.is_integer():
            value = int(value)
        return value if type(value) is int and low <= value <= high else None

    return accept


def _number(value: Any) -> float | None:
    return float(value) if type(value) in _NUMBERS and -1e18 <= value <= 1e18 else None


def _text(value: Any) -> str | None:
    if not isinstance(value, str) or not 1 <= len(value) <= 4096:
        return None
    return value if value.encode("utf-8", "ignore").decode() == value else None


def _flag(value: Any) -> int | None:
    return int(value) if value in (0, 1) else None


def _box(value: Any) -> list[float] | None:
    if type(value) is not list or len(value) != 4:
        return None
    for number in value:
        if type(number) not in _NUMBERS or not -1e9 <= number <= 1e9:
            return None
    return value


_ID = _Value("a whole number of at most 64 bits", _whole(-(2**63), 2**63 - 1))
_SIDE = _Value("a whole number of pixels from 1 to 1e9", _whole(1, 10**9))
_TEXT = _Value("a text of 1 to 4096 characters that UTF-8 can write", _text)
_BOX = _Value("[x, y, width, height], four numbers from -1e9 to 1e9", _box)
_NUMBER = _Value("a number from -1e18 to 1e18", _number)
_FLAG = _Value("0 or 1", _flag)

_KEYS: dict[str, tuple[dict[str, _Value], set[str]]] = {  # and those that may be absent
    "images": ({"id": _ID, "file_name": _TEXT, "height": _SIDE, "width": _SIDE}, set()),
    "categories": ({"id": _ID, "name": _TEXT}, set()),
    "annotations": (
        {
            "image_id": _ID,
            "category_id": _ID,
            "bbox": _BOX,
            "id": _ID,
            "iscrowd": _FLAG,
            "area": _NUMBER,
        },
        {"id", "iscrowd", "area"},
    ),
    "results": ({"image_id": _ID, "category_id": _ID, "bbox": _BOX, "score": _NUMBER}, set()),
}


def _entry_defects(entry: Any, keys: dict[str, _Value], optional: set[str]) -> list[str]:
    """What is wrong with an entry; numbers in another form than that used here are replaced."""
    known = entry if isinstance(entry, dict) else {}
    defects = []
    for key, (words, accept) in keys.items():
        if key not in known:
            if key in optional:
                continue
            return [f"lacks {', '.join(k for k in keys if k not in known and k not in optional)}"]
        value = known[key]
        accepted = accept(value)
        if accepted is None:
            defects.append(f"has {key} {reprlib.repr(value)}; it must be {words}")
        elif accepted is not value:
            known[key] = accepted
    return defects
