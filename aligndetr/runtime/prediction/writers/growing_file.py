"""A file that is written piece by piece, and appears, whole, when it is closed."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import IO

from ...files import atomic_write


class GrowingFile:
    """Also after an error, and when the user interrupts, `close` keeps what was written.

    Args:
        path: where it appears, in place of a file that is there.
        mode: "w" for text or "wb" for bytes.

    Raises:
        UserError: (while writing) the file cannot be written.
    """

    def __init__(self, path: Path, mode: str = "w") -> None:
        self.path = path
        self._stack = ExitStack()
        self.file: IO = self._stack.enter_context(atomic_write(path, mode))

    def close(self) -> None:
        """Let it appear."""
        self._stack.close()
