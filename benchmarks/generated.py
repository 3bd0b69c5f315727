"""Parts of a page that a command writes: between `<!-- begin NAME -->` and `<!-- end -->`."""

from __future__ import annotations

import re
from pathlib import Path

from aligndetr.files import atomic_write


def section(page: Path, name: str) -> re.Match[str]:
    """The generated part of a page; its group 2 is the text.

    Raises:
        ValueError: the page has no part of this name, or more than one.
    """
    pattern = rf"(<!-- begin {re.escape(name)} -->\n)(.*?)(\n<!-- end -->)"
    found = list(re.finditer(pattern, page.read_text(), re.S))
    if len(found) != 1:
        raise ValueError(f"{page} has {len(found)} parts named {name}, not one")
    return found[0]


def replace_section(page: Path, name: str, text: str) -> None:
    """Write a part anew."""
    part = section(page, name)
    with atomic_write(page) as file:
        file.write(part.string[: part.start(2)] + text + part.string[part.end(2) :])
