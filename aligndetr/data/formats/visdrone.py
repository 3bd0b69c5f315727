"""VisDrone-DET (Zhu et al. 2018): `annotations/*.txt` beside `images/`.

A line is `x,y,w,h,score,category,truncation,occlusion`. Regions of category 0, and
"others" (11), are crowds of every class; objects with score 0, which do not count, of their own.
"""

from __future__ import annotations

import os
from pathlib import Path

from aligndetr.data.formats.image_files import list_images, read_sizes
from aligndetr.data.formats.reading import Assembly, Reading
from aligndetr.data.formats.source import Source
from aligndetr.data.formats.text_files import numbered_lines, split_of, to_numbers
from aligndetr.errors import DataError

CLASS_NAMES = [
    *("pedestrian", "people", "bicycle", "car", "van", "truck", "tricycle", "awning-tricycle"),
    *("bus", "motor"),
]
_IGNORED, _OTHERS = 0, 11


def find(path: Path) -> list[Source]:
    """Sources of a folder that has `annotations/*.txt` and `images/`, or of folders of splits."""
    if os.path.isfile(path):
        return []
    if _is_split(path):
        return [Source(path, None, "visdrone", split_of(path.name))]
    folders = [
        child for child in sorted(path.iterdir()) if os.path.isdir(child) and _is_split(child)
    ]
    return [Source(child, None, "visdrone", split_of(child.name)) for child in folders]


def read(source: Source) -> Reading:
    """Read a split.

    Raises:
        DataError: the folder is missing.
        EntriesError: lines that cannot be used, by file and number.
    """
    root = source.image_root or source.path / "images"
    if not os.path.isdir(root):
        raise DataError(f"{root} does not exist; VisDrone has images/ and annotations/ in a folder")
    assembly = Assembly(source.path, CLASS_NAMES)
    names = list_images(root)
    for name, size in zip(names, read_sizes([root / name for name in names]), strict=True):
        labels = source.path / "annotations" / Path(name).with_suffix(".txt")
        if isinstance(size, DataError):
            assembly.defects.append(str(size))
        elif not os.path.isfile(labels):
            text = "images have no annotation file (they count as images without objects)"
            assembly.remarks[text].append(name)
            assembly.add_image(name, size)
        else:
            _read_boxes(labels, assembly.add_image(name, size), assembly)
    return assembly.reading(root)


def _is_split(folder: Path) -> bool:
    labels = folder / "annotations"
    return os.path.isdir(folder / "images") and next(labels.glob("*.txt"), None) is not None


def _read_boxes(path: Path, image_id: int, assembly: Assembly) -> None:
    for number, line in numbered_lines(path):
        numbers = to_numbers([word.strip() for word in line.rstrip(",").split(",")])
        if numbers is None or len(numbers) != 8:
            assembly.defects.append(f"{path}:{number} is not eight numbers: {line[:80]!r}")
            continue
        box, score, category = numbers[:4], numbers[4], numbers[5]
        if category not in range(_OTHERS + 1):
            assembly.defects.append(f"{path}:{number} has category {category:g}; they are 0 to 11")
        elif category in (_IGNORED, _OTHERS):
            assembly.add_region(image_id, box)
        else:
            assembly.add_box(image_id, int(category) - 1, box, int(score == 0))
