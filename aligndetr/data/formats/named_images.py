"""Images that an annotation file names, compared with those that lie in the same folders."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path

from aligndetr.data.formats.image_files import find_root, folders_near, is_image
from aligndetr.data.formats.text_files import split_of_file
from aligndetr.errors import DataError

UNNAMED = "images lie beside those that the annotations name, but are not named (left out)"
MISSING = "images that the annotations name are not in their folder (training stops at them)"


class NamedImages:
    """Images of a split. The folders that they lie in are listed once each, not asked file by file.

    Args:
        root: the folder that names are relative to.
        names: of the images.
    """

    def __init__(self, root: Path, names: Iterable[str]) -> None:
        self.root = root
        self._names = {_path(root, name): name for name in names}
        self._files: set[str] = set()
        for folder in {os.path.dirname(path) for path in self._names}:
            with suppress(OSError, ValueError):  # no folder, or one that may not be listed
                self._files.update(os.path.join(folder, file) for file in os.listdir(folder))

    def missing(self) -> list[str]:
        """Names without a file, sorted.

        What is not listed is asked for by itself: some systems take names in another case.
        """
        unlisted = self._names.keys() - self._files
        return sorted(self._names[path] for path in unlisted if not os.path.isfile(path))

    def unnamed(self, others: Iterable[tuple[Path, Sequence[str]]]) -> list[str]:
        """Images in the same folders that no split names, relative to the root, sorted.

        Args:
            others: annotation file of another split and the images that it names. They are gone
                through only where this split leaves images over.
        """
        left = {file for file in self._files - self._names.keys() if is_image(file)}
        if not left:
            return []
        for path, names in others:
            root = self._root_of(path, names)
            left -= {_path(root, name) for name in names}
        return sorted(Path(os.path.relpath(file, self.root)).as_posix() for file in left)

    def _root_of(self, path: Path, names: Sequence[str]) -> Path:
        """Where the images of another split lie: splits may have images of the same names."""
        try:
            return find_root(folders_near(path, split_of_file(path)), names[0], path)
        except (DataError, IndexError):
            return self.root


def _path(root: Path, name: str) -> str:
    return os.path.normpath(os.path.join(root, name))
