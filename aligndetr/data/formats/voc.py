"""Pascal VOC: an XML file an image, and `ImageSets/Main/<split>.txt` that list them.

Corners count pixels from 1 and include both ends: x = xmin - 1, width = xmax - xmin + 1. Objects
marked difficult, which VOC's evaluation ignores, become crowds. Files beside their images,
in one folder or in one for each split, are read as well.
"""

from __future__ import annotations

import os
from pathlib import Path
from xml.etree.ElementTree import Element, ParseError, TreeBuilder, XMLParser, fromstring

from aligndetr.data.formats.image_files import list_images, read_sizes
from aligndetr.data.formats.reading import Assembly, Reading
from aligndetr.data.formats.source import Source
from aligndetr.data.formats.text_files import (
    numbered_lines,
    read_class_names,
    split_folders,
    split_of_folder,
    to_numbers,
)
from aligndetr.errors import DataError
from aligndetr.files import check_regular

_LARGEST = 16 * 2**20  # bytes of an XML file
_CORNERS = ("xmin", "ymin", "xmax", "ymax")


def find(path: Path) -> list[Source]:
    """Sources of a VOC folder, of a folder of XML files, or of a split file of ImageSets/Main."""
    if os.path.isfile(path):
        if path.suffix != ".txt" or path.parent.name != "Main":
            return []
        return [_split_source(path)]
    if next((path / "Annotations").rglob("*.xml"), None) is not None:
        lists = sorted((path / "ImageSets" / "Main").glob("*.txt"))
        names = ("train", "val", "test", "trainval")
        found = [_split_source(file) for file in lists if file.stem in names]
        return found or [Source(path, _image_folder(path), "voc")]
    folders = [folder for folder in [*split_folders(path), path] if _has_xml(folder)]
    return [Source(folder, folder, "voc", split_of_folder(folder.name)) for folder in folders]


def read(source: Source) -> Reading:
    """Read a split; classes are those of `classes.txt`, else all names in any file, sorted.

    Raises:
        DataError: a folder is missing.
        EntriesError: files that are missing or broken, by name.
    """
    root = _root(source)
    folder = root / "Annotations" if os.path.isdir(root / "Annotations") else source.path
    image_root = source.image_root or _image_folder(root)
    images = {Path(name).with_suffix("").as_posix(): name for name in list_images(image_root)}
    assembly = Assembly(source.path, [])
    wanted = _wanted(source, folder, images, assembly)
    parsed = {stem: _parse_or_note(path, assembly) for stem, path in wanted.items()}
    assembly.class_names += read_class_names(root) or _all_names(root, parsed, folder)
    sizes = read_sizes([image_root / images[stem] for stem in wanted if stem in images])
    known_sizes = dict(zip([stem for stem in wanted if stem in images], sizes, strict=True))
    for stem in sorted(wanted):
        tree = parsed[stem]
        if tree is not None and stem in images:
            size = _size(tree) or known_sizes[stem]
            _add(tree, wanted[stem], images[stem], size, assembly)
    return assembly.reading(image_root)


def _split_source(file: Path) -> Source:
    root = file.parent.parent.parent
    return Source(file, _image_folder(root), "voc", file.stem)


def _root(source: Source) -> Path:
    if source.path.suffix == ".txt":
        return source.path.parent.parent.parent
    if os.path.isdir(source.path / "Annotations") or source.split is None:
        return source.path
    return source.path.parent


def _image_folder(root: Path) -> Path:
    folders = (root / "JPEGImages", root / "images", root)
    return next(folder for folder in folders if os.path.isdir(folder))


def _has_xml(folder: Path) -> bool:
    return next(folder.glob("*.xml"), None) is not None


def _wanted(
    source: Source, folder: Path, images: dict[str, str], assembly: Assembly
) -> dict[str, Path]:
    """XML files by stem; missing ones and missing images are noted."""
    if source.path.suffix == ".txt":
        named = {line.split()[0]: f"{source.path}:{n}" for n, line in numbered_lines(source.path)}
    else:
        stems = (path.relative_to(folder).with_suffix("") for path in folder.rglob("*.xml"))
        named = {stem.as_posix(): str(folder / f"{stem}.xml") for stem in stems}
        without = [name for stem, name in images.items() if stem not in named]
        assembly.remarks["images have no XML file (left out)"] += without
    for stem, where in named.items():
        if not os.path.isfile(folder / f"{stem}.xml"):
            assembly.defects.append(f"{where} names {stem}, but {folder / stem}.xml does not exist")
        elif stem not in images:
            assembly.defects.append(f"{folder / stem}.xml has no image {stem}.*")
    return {
        stem: folder / f"{stem}.xml" for stem in named if os.path.isfile(folder / f"{stem}.xml")
    }


class _NoDocumentType(TreeBuilder):
    """Refuses document types, and with them entities, which could grow without bound."""

    def doctype(self, name: str, pubid: str | None, system: str | None) -> None:
        raise DataError("has a document type declaration, which annotations have no need of")


def parse_xml(path: Path) -> Element:
    """The root of an XML file.

    Raises:
        DataError: it cannot be read or parsed (the line is named), declares a document type, or is
            larger than 16 MiB.
    """
    try:
        check_regular(path)
        if path.stat().st_size > _LARGEST:
            raise DataError(f"{path} is larger than {_LARGEST} bytes: is it an annotation?")
        return fromstring(path.read_bytes(), XMLParser(target=_NoDocumentType()))
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror}") from error
    except ParseError as error:
        line, column = error.position
        raise DataError(
            f"{path}:{line} is broken XML (column {column + 1}): {error.msg}"
        ) from error
    except DataError as error:
        raise DataError(f"{path} {error}" if str(path) not in str(error) else str(error)) from error


def _parse_or_note(path: Path, assembly: Assembly) -> Element | None:
    try:
        return parse_xml(path)
    except DataError as error:
        assembly.defects.append(str(error))
        return None


def _all_names(root: Path, parsed: dict[str, Element | None], folder: Path) -> list[str]:
    """Names in the files of all splits: a class may lack in one of them."""
    known = {folder / f"{stem}.xml" for stem in parsed}
    trees = [tree for tree in parsed.values() if tree is not None]
    for path in root.rglob("*.xml"):
        if path not in known:
            try:
                trees.append(parse_xml(path))
            except DataError:
                continue  # of another split, whose reading will name it
    names = (thing.findtext("name", "").strip() for tree in trees for thing in tree.iter("object"))
    return sorted({name for name in names if name})


def _size(tree: Element) -> tuple[int, int] | None:
    words = [tree.findtext(f"size/{side}", "") for side in ("height", "width")]
    numbers = to_numbers(words)
    if not numbers or min(numbers) < 1:
        return None
    height, width = map(int, numbers)
    return height, width


def _add(
    tree: Element, path: Path, image: str, size: tuple[int, int] | DataError, assembly: Assembly
) -> None:
    if isinstance(size, DataError):
        assembly.defects.append(str(size))
        return
    image_id = assembly.add_image(image, size)
    for number, thing in enumerate(tree.findall("object"), start=1):
        where, name = f"{path}: object {number}", thing.findtext("name", "").strip()
        words = [thing.findtext(f"bndbox/{corner}", "").strip() for corner in _CORNERS]
        corners = to_numbers(words)
        if corners is None:
            assembly.defects.append(f"{where} has the corners {words!r:.80}, not four numbers")
            continue
        if name not in assembly.class_names:
            assembly.defects.append(f"{where} is a {name!r:.80}, which is not in the class names")
            continue
        x0, y0, x1, y1 = corners
        difficult = thing.findtext("difficult", "0").strip() == "1"
        if difficult:
            assembly.remarks["objects are marked difficult (crowds: not trained on)"].append(where)
        if min(x0, y0) == 0:
            text = "boxes begin at 0, but VOC counts pixels from 1 (read as 1 pixel over the edge)"
            assembly.remarks[text].append(where)
        box = [x0 - 1, y0 - 1, x1 - x0 + 1, y1 - y0 + 1]
        assembly.add_box(image_id, assembly.class_names.index(name), box, int(difficult))
