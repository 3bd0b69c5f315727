"""Text files of annotations: lines, numbers and names, read with care."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from aligndetr.data.formats.source import Source
from aligndetr.errors import DataError
from aligndetr.files import check_regular

CLASSES_FILE = "classes.txt"
_SPLIT_WORDS = {
    "train": ("train", "training"),
    "val": ("val", "valid", "validation", "dev", "minival"),
    "test": ("test", "testing"),
}


def read_text(path: Path) -> str:
    """A text file (UTF-8).

    Raises:
        DataError: it cannot be read, or is not text.
    """
    try:
        check_regular(path)
        return path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise DataError(f"{path} is not a text file: {error}") from error


def numbered_lines(path: Path) -> Iterator[tuple[int, str]]:
    """Lines that are not blank, counted from 1."""
    for number, line in enumerate(read_text(path).split("\n"), start=1):
        if line.strip():
            yield number, line.strip()


def to_numbers(words: Iterable[str]) -> list[float] | None:
    """The words as numbers, or None when one of them is not a finite number."""
    try:
        numbers = [float(word) for word in words if "_" not in word]
    except ValueError:
        return None
    is_complete = len(numbers) == len(list(words)) and all(map(math.isfinite, numbers))
    return numbers if is_complete else None


def read_class_names(folder: Path) -> list[str] | None:
    """The lines of `classes.txt` in a folder; None where there is none."""
    path = folder / CLASSES_FILE
    return [line for _, line in numbered_lines(path)] if os.path.isfile(path) else None


def split_of(name: str) -> str | None:
    """ "train", "val" or "test" where a name says so, such as instances_train2017 or cars_valid."""
    words = [word for word in re.split(r"[^a-z]+", name.lower()) if word]
    found = {s for s, known in _SPLIT_WORDS.items() if any(word in known for word in words)}
    return found.pop() if len(found) == 1 else None


def split_of_folder(name: str) -> str | None:
    """The same where a folder is called nothing else, such as train2017 or valid."""
    return split_of(name) if re.fullmatch(r"[A-Za-z]+\d*", name) else None


def split_of_file(path: Path) -> str | None:
    """The split of an annotation file: its name says so, or the folder that it lies in."""
    return split_of(path.stem) or split_of_folder(path.parent.name)


def split_folders(folder: Path) -> list[Path]:
    """Folders in a folder that are called after a split, by name."""
    return [
        child
        for child in sorted(folder.iterdir())
        if os.path.isdir(child) and split_of_folder(child.name)
    ]


def find_files(path: Path, form: str, pattern: str) -> list[Source]:
    """Sources of an annotation file, or of a folder of them: one a split, or a single one.

    Files are called after their split, or lie in folders that are.

    Args:
        path: file or folder.
        form: a key of `FORMATS`.
        pattern: of the files' names, such as "*.json".

    Raises:
        DataError: two files are of the same split.
    """
    if os.path.isfile(path):
        return [Source(path, None, form, split_of_file(path))] if path.match(pattern) else []
    files = sorted(path.glob(pattern))
    named = [(split_of(file.stem), file) for file in files]
    for child in split_folders(path):
        named += [(split_of(child.name), file) for file in sorted(child.glob(pattern))]
    found: dict[str | None, Path] = {}
    for split, file in named:
        if split in found and split is not None:
            raise DataError(
                f"{found[split]} and {file} both look like the {split} split: "
                "give the path of the file itself"
            )
        found[split] = file
    found.pop(None, None)
    if not found and len(files) == 1:
        found = {split_of_folder(path.name): files[0]}
    return [Source(file, None, form, split) for split, file in found.items()]


def files_of_other_splits(path: Path, pattern: str) -> list[Path]:
    """Annotation files of the same dataset: beside one, and in folders for each split; sorted.

    Args:
        path: the annotation file of a split.
        pattern: of the files' names, such as "*.csv".
    """
    here = path.parent
    above = here.parent if split_of_folder(here.name) else here
    files = [file for file in above.glob(pattern) if split_of(file.stem)]
    files += [file for file in above.glob(f"*/{pattern}") if split_of_folder(file.parent.name)]
    return sorted(file for file in files if file != path)
