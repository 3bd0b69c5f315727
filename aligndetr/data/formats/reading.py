"""What a reader returns, and how readers of text files put it together."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aligndetr.data.coco_json import Content
from aligndetr.data.entries import EntriesError, check_entries
from aligndetr.errors import DataError

MOST_DIGITS = 6  # decimals of a pixel: fractions of a side come back as the pixels they were


@dataclass
class Reading:
    """A dataset as it was read, whatever its form.

    Attributes:
        content: images, annotations and categories as in a COCO file.
        image_root: the folder that the file names are relative to.
        remarks: what is odd but does no harm, in words -> where, one line each.
    """

    content: Content
    image_root: Path
    remarks: dict[str, list[str]] = field(default_factory=dict)


class Assembly:
    """Collects images, boxes and what is wrong with them; ids count from 1 in order of arrival.

    Args:
        path: the file or folder that messages name.
        class_names: K names; category ids are their places, from 0.

    Attributes:
        defects: one line each; the dataset is refused when there is one.
        remarks: see `Reading`.
    """

    def __init__(self, path: Path, class_names: list[str]) -> None:
        self.path, self.class_names = path, class_names
        self.defects: list[str] = []
        self.remarks: dict[str, list[str]] = defaultdict(list)
        self._images: list[dict[str, Any]] = []
        self._annotations: list[dict[str, Any]] = []

    def add_image(self, file_name: str, size: tuple[int, int]) -> int:
        """An image of (height, width) pixels; returns its id."""
        height, width = size
        identity = len(self._images) + 1
        entry = {"id": identity, "file_name": file_name, "height": height, "width": width}
        self._images.append(entry)
        return identity

    def add_box(self, image_id: int, class_index: int, bbox: list[float], iscrowd: int = 0) -> None:
        """A box, [x, y, width, height] in pixels."""
        rounded = [round(value, MOST_DIGITS) for value in bbox]
        self._annotations.append(
            {
                "id": len(self._annotations) + 1,
                "image_id": image_id,
                "category_id": class_index,
                "bbox": rounded,
                "area": rounded[2] * rounded[3],
                "iscrowd": iscrowd,
            }
        )

    def add_region(self, image_id: int, bbox: list[float]) -> None:
        """A region in which nothing counts: a crowd of every class."""
        for class_index in range(len(self.class_names)):
            self.add_box(image_id, class_index, bbox, iscrowd=1)

    def reading(self, image_root: Path) -> Reading:
        """All of it.

        Raises:
            EntriesError: there are defects.
            DataError: there are no images or no classes.
        """
        if self.defects:
            raise EntriesError(self.path, self.defects)
        categories = [{"id": i, "name": name} for i, name in enumerate(self.class_names)]
        content = {
            "images": self._images,
            "annotations": self._annotations,
            "categories": categories,
        }
        for part, entries in content.items():
            if not entries and part != "annotations":
                raise DataError(f"{self.path} has no {part}")
            check_entries(part, entries, self.path)
        return Reading(content, image_root, {k: v for k, v in self.remarks.items() if v})
