"""Writing YOLO: `data.yaml`, `images/<split>/` and `labels/<split>/`."""

from __future__ import annotations

from pathlib import Path, PurePosixPath
from typing import Any

import yaml

from aligndetr.data.conversion.writing import Part, class_names, contiguous, cut, note_losses


def write(parts: list[Part], folder: Path) -> None:
    """Write all parts; crowds are left out, boxes are cut to the image, both are counted."""
    config: dict[str, Any] = {"names": dict(enumerate(class_names(parts[0])))}
    for part in parts:
        split = part.split or "train"
        config[split] = f"images/{split}"
        part.place_images(folder / "images" / split)
        _write_labels(part, folder / "labels" / split)
    text = yaml.safe_dump(config, allow_unicode=True, sort_keys=False)
    (folder / "data.yaml").write_text(text, "utf-8")


def _write_labels(part: Part, folder: Path) -> None:
    labels, annotations = contiguous(part), part.annotations()
    for image in part.reading.content["images"]:
        lines = [_line(annotation, labels, image, part) for annotation in annotations[image["id"]]]
        path = folder / PurePosixPath(part.files[image["id"]]).with_suffix(".txt")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("".join(lines), "utf-8")


def _line(
    annotation: dict[str, Any], labels: dict[int, int], image: dict[str, Any], part: Part
) -> str:
    """A line of a label file; nothing for what it cannot hold."""
    if annotation.get("iscrowd"):
        part.losses["crowds (left out)"] += 1
        return ""
    width, height = image["width"], image["height"]
    x0, y0, x1, y1 = corners = cut(annotation["bbox"], width, height)
    if not note_losses(part, annotation, corners):
        return ""
    numbers = (x0 + x1) / 2 / width, (y0 + y1) / 2 / height, (x1 - x0) / width, (y1 - y0) / height
    return " ".join([str(labels[annotation["category_id"]]), *map(repr, numbers)]) + "\n"
