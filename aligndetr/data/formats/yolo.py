"""YOLO: `data.yaml` names classes and splits; each image has a text file of boxes.

A line is `class cx cy w h`, in fractions of the image's width and height, or `class x1 y1
x2 y2 x3 y3 ...`, a polygon, of which the bounding box is taken.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import yaml

from aligndetr.data.formats.image_files import list_images, read_sizes
from aligndetr.data.formats.reading import Assembly, Reading
from aligndetr.data.formats.source import Source
from aligndetr.data.formats.text_files import (
    CLASSES_FILE,
    numbered_lines,
    read_class_names,
    read_text,
    to_numbers,
)
from aligndetr.data.images import MissingImageError
from aligndetr.errors import DataError, some

_SPLITS = ("train", "val", "test")
_UNLABELLED = "images have no label file (they count as images without objects)"
_ROUNDING = 1e-3  # of a side: exported numbers are rounded


def find(path: Path) -> list[Source]:
    """Sources of a `data.yaml`, of a folder that has one, or that has classes.txt and labels/."""
    if os.path.isfile(path):
        files = [path] if path.suffix in (".yaml", ".yml") else []
    else:
        files = sorted([*path.glob("*.yaml"), *path.glob("*.yml")])
    for file in files:
        config = _read_yaml(file)
        if isinstance(config, dict) and "names" in config:
            return [Source(file, None, "yolo", s) for s in _SPLITS if config.get(s)]
        if os.path.isfile(path):
            raise DataError(f"{file} has no names: is it the data.yaml of a YOLO dataset?")
    if (
        os.path.isdir(path)
        and os.path.isfile(path / CLASSES_FILE)
        and os.path.isdir(path / "labels")
    ):
        return [Source(path / CLASSES_FILE, None, "yolo")]
    return []


def read(source: Source) -> Reading:
    """Read a split.

    Raises:
        DataError: the yaml or a folder is missing or wrong, or no image of a split other than
            test has a label file.
        EntriesError: lines of label files, or images, that cannot be used, by file and line.
    """
    class_names, places = _layout(source)
    paths = sorted(places)
    if not paths:
        raise DataError(f"{source.path}: there are no images of {source.split or 'the dataset'}")
    root = Path(os.path.commonpath([path.parent for path in paths]))
    assembly = Assembly(source.path, class_names)
    for path, size in zip(paths, read_sizes(paths), strict=True):
        if isinstance(size, DataError):
            assembly.defects.append(_image_defect(path, size, places[path]))
            continue
        image_id = assembly.add_image(path.relative_to(root).as_posix(), size)
        _read_labels(label_file(path), image_id, size, assembly)
    if len(assembly.remarks[_UNLABELLED]) == len(paths) and source.split != "test":
        raise DataError(_no_labels(source, paths))
    _remark_on_labels_without_image(paths, assembly)
    return assembly.reading(root)


def label_file(image: Path) -> Path:
    """The text file of an image: beside it, or in `labels` where its path has `images` last."""
    parts = list(image.with_suffix(".txt").parts)
    for place in range(len(parts) - 2, -1, -1):
        if parts[place] == "images":
            parts[place] = "labels"
            break
    return Path(*parts)


def _layout(source: Source) -> tuple[list[str], dict[Path, str | None]]:
    """Class names and images of a split; file and line for those that a list names."""
    here = source.path.parent
    if source.path.name == CLASSES_FILE:
        folder = here / "images" if os.path.isdir(here / "images") else here
        return read_class_names(here) or [], _images_in(folder)
    config = _read_yaml(source.path)
    names = _class_names(config, source.path)
    root = _root(config, source.path)
    places = config.get(source.split)
    places = places if isinstance(places, list) else [places]
    found: dict[Path, str | None] = {}
    for place in places:
        found |= _images_at(place, root, source.path)
    return names, found


def _read_yaml(path: Path) -> Any:
    try:
        return yaml.safe_load(read_text(path))
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f", line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        problem = getattr(error, "problem", None) or error
        raise DataError(f"{path}{where}: {problem}") from error
    except (RecursionError, ValueError) as error:
        raise DataError(f"{path} is no data.yaml: {error}") from error


def _class_names(config: dict[str, Any], path: Path) -> list[str]:
    names = config["names"]
    if isinstance(names, dict):
        if sorted(names, key=str) != sorted(range(len(names)), key=str):
            raise DataError(f"{path}: names must be numbered 0 to {len(names) - 1}, without gaps")
        names = [names[index] for index in range(len(names))]
    if not isinstance(names, list) or not names:
        raise DataError(f"{path}: names must be a list of class names, or a dict from 0 to names")
    if any(isinstance(name, (list, dict)) or name is None for name in names):
        raise DataError(f"{path}: names must be a list of texts")
    if config.get("nc", len(names)) != len(names):
        raise DataError(f"{path}: nc must be {len(names)}, the number of names")
    return [str(name) for name in names]


def _root(config: dict[str, Any], path: Path) -> Path:
    """The folder that splits are relative to: `path`, relative to the yaml's own folder."""
    given = config.get("path") or "."
    root = path.parent / given if isinstance(given, str) else None
    if root is None or not os.path.isdir(root):
        raise DataError(
            f"{path}: path is no folder (it is relative to the folder of this file); "
            "leave path out if the data lies beside the file"
        )
    return root


def _images_in(folder: Path) -> dict[Path, str | None]:
    return {folder / name: None for name in list_images(folder)}


def _images_at(place: Any, root: Path, path: Path) -> dict[Path, str | None]:
    """Images of an entry of data.yaml: a folder, or a text file with a path a line."""
    if not isinstance(place, str):
        raise DataError(f"{path}: a split must be a folder or a list of folders")
    target = root / place
    beside = root / place.removeprefix("../")  # exporters write ../train for train
    target = beside if not os.path.exists(target) and os.path.exists(beside) else target
    if os.path.isdir(target):
        return _images_in(target)
    if os.path.isfile(target) and target.suffix == ".txt":
        return {target.parent / line: f"{target}:{n}" for n, line in numbered_lines(target)}
    raise DataError(f"{path}: {place} is no folder of images below {root}, and no list of them")


def _image_defect(path: Path, error: DataError, where: str | None) -> str:
    """What is wrong with an image; where: file and line of the list that names it."""
    if where is None:
        return str(error)
    if isinstance(error, MissingImageError):
        return f"{where} names {path}, which does not exist (lines are relative to the list)"
    return f"{where}: {error}"


def _no_labels(source: Source, paths: list[Path]) -> str:
    folders = sorted({str(label_file(path).parent) for path in paths})
    return (
        f"{source.path}: none of the {len(paths)} images of {source.split or 'the dataset'} has a "
        f"label file; looked in {some(folders)} for {label_file(paths[0]).name} and so on (labels "
        "lie beside the images, or in labels/ for images/; an image without objects may have an "
        "empty file)"
    )


def _read_labels(path: Path, image_id: int, size: tuple[int, int], assembly: Assembly) -> None:
    if not os.path.isfile(path):
        assembly.remarks[_UNLABELLED].append(str(path))
        return
    for number, line in numbered_lines(path):
        parsed = _parse(line.split(), len(assembly.class_names))
        if isinstance(parsed, str):
            assembly.defects.append(f"{path}:{number} {parsed}")
            continue
        class_index, corners, is_polygon = parsed
        if is_polygon:
            assembly.remarks["lines are polygons (their bounding boxes are taken)"].append(
                f"{path}:{number}"
            )
        height, width = size
        x, y, right, bottom = (v * s for v, s in zip(corners, (width, height) * 2, strict=True))
        assembly.add_box(image_id, class_index, [x, y, right - x, bottom - y])


def _parse(words: list[str], num_classes: int) -> tuple[int, list[float], bool] | str:
    """Class, (x0, y0, x1, y1) in fractions and whether it is a polygon; or what is wrong."""
    numbers = to_numbers(words)
    if numbers is None:
        return f"is not a line of numbers: {' '.join(words)[:80]!r}"
    if len(numbers) != 5 and (len(numbers) < 7 or len(numbers) % 2 == 0):
        predicted = " (a sixth may be a score: are these predictions?)" * (len(numbers) == 6)
        return f"has {len(numbers)} numbers instead of class, cx, cy, w, h{predicted}"
    label, *values = numbers
    if not float(label).is_integer() or not 0 <= label < num_classes:
        return f"has class {words[0]}, but the classes are 0 to {num_classes - 1}"
    if max(values) > 1 + _ROUNDING or min(values) < -_ROUNDING:
        unit = "percent" if min(values) >= 0 and max(values) <= 100 else "pixels"
        return (
            f"has {' '.join(words[1:5])}: numbers must be fractions of the image's width and "
            f"height, from 0 to 1; these look like {unit}"
        )
    if len(values) == 4:
        cx, cy, w, h = values
        return int(label), [cx - w / 2, cy - h / 2, cx + w / 2, cy + h / 2], False
    x, y = values[::2], values[1::2]
    return int(label), [min(x), min(y), max(x), max(y)], True


def _remark_on_labels_without_image(paths: list[Path], assembly: Assembly) -> None:
    known = {label_file(path) for path in paths}
    folders = {path.parent for path in known}
    others = [
        str(path)
        for folder in sorted(folders)
        for path in sorted(folder.glob("*.txt"))
        if path not in known and path.name != CLASSES_FILE and folder.name != "images"
    ]
    assembly.remarks["label files have no image (left out)"] += others
