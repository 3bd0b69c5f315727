"""Pictures as files."""

from __future__ import annotations

import os
from pathlib import Path

from PIL import Image

from ..files import atomic_write


def save_picture(picture: Image.Image, path: str | os.PathLike) -> None:
    """Write a picture whole or not at all; the suffix of `path` says the format."""
    path = Path(path)
    kind = {".jpg": "JPEG", ".jpeg": "JPEG"}.get(path.suffix.lower(), "PNG")
    with atomic_write(path, "wb") as file:
        picture.save(file, kind, **({"quality": 92} if kind == "JPEG" else {}))
