"""CSV: a header, then one box a row.

| column | also called |
|---|---|
| file_name | filename, image, image_path, path |
| class | class_name, label, category, name |
| xmin, ymin, xmax, ymax | x1, y1, x2, y2; or bbox_x, bbox_y, bbox_width, bbox_height |
| iscrowd (may be absent) | |

Corners are pixels from 0. A row with nothing but a file name is an image without objects.
"""

from __future__ import annotations

import csv
from pathlib import Path

from aligndetr.data.formats.reading import Reading
from aligndetr.data.formats.rows import Row, Rows, read_split
from aligndetr.data.formats.source import Source
from aligndetr.data.formats.text_files import find_files, read_text, to_numbers
from aligndetr.errors import DataError

_NAMES = {
    "file_name": ("file_name", "filename", "image", "image_path", "path"),
    "class": ("class", "class_name", "label", "category", "name"),
    "iscrowd": ("iscrowd",),
}
_CORNERS = (("xmin", "ymin", "xmax", "ymax"), ("x1", "y1", "x2", "y2"))
_SIZED = ("bbox_x", "bbox_y", "bbox_width", "bbox_height")


def find(path: Path) -> list[Source]:
    """Sources of a CSV file, or of a folder with such files."""
    return find_files(path, "csv", "*.csv")


def read(source: Source) -> Reading:
    """Read a split; classes are those of `classes.txt`, else all names in any split, sorted.

    Raises:
        DataError: the header lacks a column, cells are not separated by commas, or no folder has
            the images.
        EntriesError: rows that cannot be used, by line.
    """
    return read_split(source, "*.csv", _read_rows)


def _read_rows(path: Path) -> Rows:
    table = csv.reader(read_text(path).splitlines())
    header = [name.strip().lower() for name in next(table, [])]
    columns = _columns(header)
    box = next((c for c in (*_CORNERS, _SIZED) if set(c) <= set(header)), None)
    if not {"file_name", "class"} <= columns.keys() or box is None:
        raise DataError(
            f"{path}:1 must name the columns file_name, class, xmin, ymin, xmax, ymax, "
            f"got {', '.join(header)[:200]!r}{_other_separator(header)}"
        )
    rows = Rows(path)
    try:
        for cells in table:
            if any(cell.strip() for cell in cells):
                rows.add(_row(cells, header, columns, box, f"{path}:{table.line_num}"))
    except csv.Error as error:
        raise DataError(f"{path}:{table.line_num} is broken: {error}") from error
    return rows


def _other_separator(header: list[str]) -> str:
    """What a message adds where a header is a single cell with something else than commas."""
    found = next((sign for sign in ";\t|" if len(header) == 1 and sign in header[0]), None)
    return f"; the separator must be a comma, not {found!r}" if found else ""


def _columns(header: list[str]) -> dict[str, int]:
    """Where the columns are that the header has, by our names for them."""
    found = {key: [name for name in names if name in header] for key, names in _NAMES.items()}
    return {key: header.index(names[0]) for key, names in found.items() if names}


def _row(
    cells: list[str],
    header: list[str],
    columns: dict[str, int],
    box: tuple[str, ...],
    where: str,
) -> Row:
    cells = [cell.strip() for cell in cells]
    if len(cells) != len(header):
        return Row(where, "", defect=f"has {len(cells)} cells, the header {len(header)}")
    name, label = cells[columns["file_name"]], cells[columns["class"]]
    words = [cells[header.index(column)] for column in box]
    if not any([label, *words]):
        return Row(where, name)
    numbers = to_numbers(words)
    if numbers is None or not label:
        return Row(where, name, defect=f"has no class and box: {', '.join([label, *words])!r:.100}")
    if box != _SIZED:
        numbers = [*numbers[:2], numbers[2] - numbers[0], numbers[3] - numbers[1]]
    flag = cells[columns["iscrowd"]] if "iscrowd" in columns else ""
    return Row(where, name, label, numbers, int(flag.lower() in ("1", "true")))
