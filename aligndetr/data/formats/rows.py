"""Boxes that name their image and their class, row by row, put together image by image."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path

from aligndetr.data.formats.image_files import read_sizes
from aligndetr.data.formats.reading import Assembly, Reading
from aligndetr.data.formats.text_files import read_class_names
from aligndetr.errors import DataError


@dataclass(frozen=True)
class Row:
    """A box, an image without one, or a defect.

    Attributes:
        where: file and line.
        file_name: of the image.
        label: class name; None: the image has no object.
        bbox: [x, y, width, height] in pixels.
        iscrowd: 0 or 1.
        defect: what is wrong with the row, after "file:line".
    """

    where: str
    file_name: str
    label: str | None = None
    bbox: list[float] | None = None
    iscrowd: int = 0
    defect: str | None = None


@dataclass
class Rows:
    """All rows of a file.

    Attributes:
        path: the file.
        rows: in its order.
    """

    path: Path
    rows: list[Row] = field(default_factory=list)

    def add(self, row: Row) -> None:
        """Take a row."""
        self.rows.append(row)

    def first_file(self) -> str:
        """The first image that is named.

        Raises:
            DataError: there is none.
        """
        for row in self.rows:
            if row.file_name:
                return row.file_name
        raise DataError(f"{self.path} names no images")

    def reading(self, root: Path, more_names: Collection[str | None] = ()) -> Reading:
        """Images in the order of their names, boxes in that of the rows.

        Args:
            root: the folder that file names are relative to.
            more_names: classes that occur elsewhere.

        Raises:
            EntriesError: rows that cannot be used, images that are missing, by file and line.
        """
        labels = {row.label for row in self.rows} | set(more_names)
        names = read_class_names(self.path.parent) or sorted(label for label in labels if label)
        assembly = Assembly(self.path, names)
        assembly.defects += [f"{row.where} {row.defect}" for row in self.rows if row.defect]
        by_image: dict[str, list[Row]] = {}
        for row in self.rows:
            by_image.setdefault(row.file_name, []).append(row)
        files = sorted(name for name in by_image if name)
        sizes = read_sizes([root / name for name in files])
        for name, size in zip(files, sizes, strict=True):
            if isinstance(size, DataError):
                assembly.defects.append(f"{by_image[name][0].where}: {size}")
                continue
            image_id = assembly.add_image(name, size)
            for row in by_image[name]:
                _add(row, image_id, assembly)
        return assembly.reading(root)


def _add(row: Row, image_id: int, assembly: Assembly) -> None:
    if row.bbox is None:
        return
    if row.label not in assembly.class_names:
        assembly.defects.append(f"{row.where} has class {row.label!r:.80}, not among the names")
        return
    assembly.add_box(image_id, assembly.class_names.index(row.label), row.bbox, row.iscrowd)
