"""Writing Pascal VOC: `Annotations/`, `JPEGImages/`, `ImageSets/Main/` and `classes.txt`."""

from __future__ import annotations

from pathlib import Path, PurePosixPath
from typing import Any
from xml.etree.ElementTree import Element, ElementTree, SubElement, indent

from aligndetr.data.conversion.writing import Part, class_names, contiguous, cut, note_losses
from aligndetr.data.formats.text_files import CLASSES_FILE
from aligndetr.errors import DataError


def write(parts: list[Part], folder: Path) -> None:
    """Write all parts; boxes are rounded to whole pixels and cut to the image, both are counted.

    Crowds are marked difficult.

    Raises:
        DataError: two splits have an image of the same name, or a class name is no line of text.
    """
    names = class_names(parts[0])
    if odd := [name for name in names if not name.isprintable() or name != name.strip()]:
        raise DataError(f"class name {odd[0]!r} is no line of text: rename it first")
    stems = [stem for part in parts for stem in part.stems()]
    if len(set(stems)) < len(stems):
        twice = next(stem for stem in stems if stems.count(stem) > 1)
        raise DataError(f"two splits have an image {twice}, but VOC keeps all in one folder")
    for part in parts:
        part.place_images(folder / "JPEGImages")
        _write_split(part, names, folder)
    (folder / CLASSES_FILE).write_text("\n".join(names) + "\n", "utf-8")


def _write_split(part: Part, names: list[str], folder: Path) -> None:
    labels, annotations = contiguous(part), part.annotations()
    for image in part.reading.content["images"]:
        root = _image(image, part.files[image["id"]])
        for annotation in annotations[image["id"]]:
            _add_object(root, annotation, names[labels[annotation["category_id"]]], image, part)
        indent(root)
        path = folder / "Annotations" / PurePosixPath(part.files[image["id"]]).with_suffix(".xml")
        path.parent.mkdir(parents=True, exist_ok=True)
        ElementTree(root).write(path, "utf-8")
    lists = folder / "ImageSets" / "Main"
    lists.mkdir(parents=True, exist_ok=True)
    (lists / f"{part.split or 'train'}.txt").write_text("\n".join(part.stems()) + "\n", "utf-8")


def _image(image: dict[str, Any], file_name: str) -> Element:
    root = Element("annotation")
    SubElement(root, "filename").text = file_name
    size = SubElement(root, "size")
    for key, value in (("width", image["width"]), ("height", image["height"]), ("depth", 3)):
        SubElement(size, key).text = str(value)
    return root


def _add_object(
    root: Element, annotation: dict[str, Any], name: str, image: dict[str, Any], part: Part
) -> None:
    corners = cut(annotation["bbox"], image["width"], image["height"])
    if not note_losses(part, annotation, corners):
        return
    x0, y0, x1, y1 = rounded = tuple(round(value) for value in corners)
    part.losses["boxes between pixels (rounded)"] += rounded != corners
    thing = SubElement(root, "object")
    SubElement(thing, "name").text = name
    SubElement(thing, "difficult").text = str(annotation.get("iscrowd", 0))
    box = SubElement(thing, "bndbox")
    # pixels count from 1 and both ends are part of the box: xmax = x1 - 1 + 1
    for key, value in (("xmin", x0 + 1), ("ymin", y0 + 1), ("xmax", x1), ("ymax", y1)):
        SubElement(box, key).text = str(value)
