"""Writing COCO: `<split>.json` and `images/<split>/`; nothing is lost."""

from __future__ import annotations

import json
from pathlib import Path

from aligndetr.data.conversion.writing import Part


def write(parts: list[Part], folder: Path) -> None:
    """Write all parts of a dataset."""
    for part in parts:
        part.place_images(folder / "images" / (part.split or ""))
        images = [
            {**image, "file_name": part.files[image["id"]]}
            for image in part.reading.content["images"]
        ]
        content = {**part.reading.content, "images": images}
        (folder / f"{part.split or 'annotations'}.json").write_text(json.dumps(content), "utf-8")
