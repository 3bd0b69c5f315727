#!/usr/bin/env python
"""Objects that a detector is sure of and nobody has labelled: a table and a picture.

python docs/make_missing_labels.py BCCD/coco/val.json BCCD/images PREDICTIONS
"""

from __future__ import annotations

import argparse
import json
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw

from aligndetr.analysis.matches import overlaps
from aligndetr.analysis.stored import find_predictions
from aligndetr.data.coco_json import parse_json
from aligndetr.runtime.drawing.picture_file import save_picture
from aligndetr.visualization.predictions import contact_sheet

FILE = Path(__file__).parent / "pictures" / "missing_labels.jpg"
SCORES = (0.5, 0.6, 0.7, 0.8)
APART = 0.3  # IoU with every label, whatever its class, below which there is none
SHOWN, MARGIN = 12, 60


def unlabelled(truth: dict[str, Any], found: Sequence[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Those of the detections that are apart from all labels of their image."""
    labels: dict[int, list[list[float]]] = {image["id"]: [] for image in truth["images"]}
    for annotation in truth["annotations"]:
        labels[annotation["image_id"]].append(annotation["bbox"])
    corners = {image: _corners(boxes) for image, boxes in labels.items()}
    for detection in found:
        there = corners[detection["image_id"]]
        box = _corners([detection["bbox"]])
        if not len(there) or overlaps(box, there, np.zeros(len(there), bool)).max() < APART:
            yield detection


def _corners(boxes: list[list[float]]) -> np.ndarray:
    """Xywh -> xyxy, (N, 4)."""
    array = np.array(boxes, dtype=float).reshape(-1, 4)
    return np.concatenate([array[:, :2], array[:, :2] + array[:, 2:]], axis=1)


def crop(detection: dict[str, Any], truth: dict[str, Any], image_root: Path) -> Image.Image:
    """What is around a detection (red), with the labels that there are (green)."""
    name = next(x["file_name"] for x in truth["images"] if x["id"] == detection["image_id"])
    with Image.open(image_root / name) as file:
        picture = file.convert("RGB")
    canvas = ImageDraw.Draw(picture)
    for annotation in truth["annotations"]:
        if annotation["image_id"] == detection["image_id"]:
            canvas.rectangle(_corners([annotation["bbox"]])[0].tolist(), outline="green", width=2)
    x0, y0, x1, y1 = _corners([detection["bbox"]])[0]
    canvas.rectangle([x0, y0, x1, y1], outline="red", width=3)
    area = max(x0 - MARGIN, 0), max(y0 - MARGIN, 0)
    return picture.crop((*area, min(x1 + MARGIN, picture.width), min(y1 + MARGIN, picture.height)))


def main() -> None:
    """Print the table, save the picture."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("json_file", type=Path)
    parser.add_argument("image_root", type=Path)
    parser.add_argument("predictions", type=Path, help="a run's folder, or a file")
    args = parser.parse_args()
    truth = parse_json(args.json_file)
    found = json.loads(find_predictions(args.predictions).read_text(encoding="utf-8"))
    names = {category["id"]: category["name"] for category in truth["categories"]}
    alone = sorted(unlabelled(truth, found), key=lambda x: -x["score"])
    print(f"| score at least | {' | '.join(names.values())} | images |")
    print(f"|---:{'|---:' * len(names)}|---:|")
    for score in SCORES:
        sure = Counter(x["category_id"] for x in found if x["score"] >= score)
        bare = [x for x in alone if x["score"] >= score]
        count = Counter(x["category_id"] for x in bare)
        cells = [f"{count[key]} of {sure[key]}" for key in names]
        print(f"| {score} | {' | '.join(cells)} | {len({x['image_id'] for x in bare})} |")
    pictures = [crop(x, truth, args.image_root) for x in alone[:SHOWN]]
    save_picture(contact_sheet(pictures, columns=4, cell=(260, 220)), FILE)
    print(FILE)


if __name__ == "__main__":
    main()
