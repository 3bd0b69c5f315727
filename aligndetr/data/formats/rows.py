"""Boxes that name their image and their class, row by row, put together image by image."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from aligndetr.data.formats.image_files import find_root, folders_near, read_sizes
from aligndetr.data.formats.named_images import UNNAMED, NamedImages
from aligndetr.data.formats.reading import Assembly, Reading
from aligndetr.data.formats.source import Source
from aligndetr.data.formats.text_files import files_of_other_splits, read_class_names
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

    def files(self) -> list[str]:
        """The images that are named, in the order of the rows."""
        return list(dict.fromkeys(row.file_name for row in self.rows if row.file_name))

    def reading(self, root: Path, others: Sequence[Rows] = ()) -> Reading:
        """Images in the order of their names, boxes in that of the rows.

        Args:
            root: the folder that file names are relative to.
            others: the other splits, whose classes count and whose images are not left over.

        Raises:
            EntriesError: rows that cannot be used, images that are missing, by file and line.
        """
        labels = {row.label for table in (self, *others) for row in table.rows}
        names = read_class_names(self.path.parent) or sorted(label for label in labels if label)
        assembly = Assembly(self.path, names)
        assembly.defects += [f"{row.where} {row.defect}" for row in self.rows if row.defect]
        by_image: dict[str, list[Row]] = {}
        for row in self.rows:
            by_image.setdefault(row.file_name, []).append(row)
        files = sorted(self.files())
        sizes = read_sizes([root / name for name in files])
        for name, size in zip(files, sizes, strict=True):
            if isinstance(size, DataError):
                assembly.defects.append(f"{by_image[name][0].where}: {size}")
                continue
            image_id = assembly.add_image(name, size)
            for row in by_image[name]:
                _add(row, image_id, assembly)
        elsewhere = ((other.path, other.files()) for other in others)
        assembly.remarks[UNNAMED] += NamedImages(root, files).unnamed(elsewhere)
        return assembly.reading(root)


def read_split(source: Source, pattern: str, read_rows: Callable[[Path], Rows]) -> Reading:
    """Read a split; classes are those of `classes.txt`, else all names in any split, sorted.

    Args:
        source: where it is.
        pattern: of the files of all splits, such as "*.csv".
        read_rows: reads such a file.

    Raises:
        DataError: the file cannot be read or names no images, or no folder has them.
        EntriesError: rows that cannot be used, images that are missing, by file and line.
    """
    rows = read_rows(source.path)
    files = rows.files()
    if not files:
        raise DataError(f"{source.path} names no images")
    others = []
    for path in files_of_other_splits(source.path, pattern):
        with suppress(DataError):  # of another split, whose reading will name it
            others.append(read_rows(path))
    root = source.image_root or find_root(
        folders_near(source.path, source.split), files[0], source.path
    )
    return rows.reading(root, others)


def _add(row: Row, image_id: int, assembly: Assembly) -> None:
    if row.bbox is None:
        return
    if row.label not in assembly.class_names:
        assembly.defects.append(f"{row.where} has class {row.label!r:.80}, not among the names")
        return
    assembly.add_box(image_id, assembly.class_names.index(row.label), row.bbox, row.iscrowd)
