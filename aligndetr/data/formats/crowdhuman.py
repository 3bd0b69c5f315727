"""CrowdHuman (Shao et al. 2018): `.odgt`, a JSON object a line, of people with their full bodies.

`fbox` is the box of the whole body, which may reach over the image's edge. Boxes that are tagged
"mask" or marked `ignore` become crowds.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from aligndetr.data.formats.image_files import folders_near, read_sizes
from aligndetr.data.formats.reading import Assembly, Reading
from aligndetr.data.formats.source import Source
from aligndetr.data.formats.text_files import find_files, numbered_lines
from aligndetr.errors import DataError

_NAMES = ["person"]


def find(path: Path) -> list[Source]:
    """Sources of an `.odgt` file, or of a folder with such files."""
    return find_files(path, "crowdhuman", "*.odgt")


def read(source: Source) -> Reading:
    """Read a split; images are `ID.jpg`, beside the file, in `Images/` or in a folder of the split.

    Raises:
        EntriesError: lines that cannot be used, images that are missing.
    """
    assembly = Assembly(source.path, _NAMES)
    lines = []
    for number, text in numbered_lines(source.path):
        where = f"{source.path}:{number}"
        entry = _parse(text)
        if isinstance(entry, str):
            assembly.defects.append(f"{where} {entry}")
        else:
            lines.append((f"{entry['ID']}.jpg", entry["gtboxes"], where))
    root = source.image_root or _root(source, lines[0][0] if lines else "")
    lines.sort(key=lambda line: line[0])
    sizes = read_sizes([root / name for name, _, _ in lines])
    for (name, things, where), size in zip(lines, sizes, strict=True):
        if isinstance(size, DataError):
            assembly.defects.append(f"{where}: {size}")
            continue
        image_id = assembly.add_image(name, size)
        for thing in things:
            assembly.add_box(image_id, 0, [float(v) for v in thing["fbox"]], int(_ignored(thing)))
    return assembly.reading(root)


def _root(source: Source, first: str) -> Path:
    here = source.path.parent
    folders = [here / "Images", here.parent / "Images", *folders_near(source.path, source.split)]
    return next((folder for folder in folders if os.path.isfile(folder / first)), here / "Images")


def _parse(text: str) -> dict[str, Any] | str:
    """The entry of a line, or what is wrong with it."""
    try:
        entry = json.loads(text)
    except (ValueError, RecursionError) as error:
        return f"is not valid JSON: {error}"
    if not isinstance(entry, dict) or not isinstance(entry.get("ID"), str):
        return "has no ID"
    things = entry.setdefault("gtboxes", [])
    if not isinstance(things, list) or not all(map(_is_box, things)):
        return "has gtboxes that are not a list of dicts with fbox: [x, y, width, height]"
    return entry


def _is_box(thing: Any) -> bool:
    box = thing.get("fbox") if isinstance(thing, dict) else None
    is_list = isinstance(box, list) and len(box) == 4
    return is_list and all(type(v) in (int, float) and abs(v) <= 1e9 for v in box)


def _ignored(thing: dict[str, Any]) -> bool:
    extra = thing.get("extra")
    return thing.get("tag") == "mask" or (isinstance(extra, dict) and extra.get("ignore") == 1)
