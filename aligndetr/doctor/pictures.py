"""Pictures of a dataset: classes, sizes and shapes of boxes, and a sheet of images with boxes."""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from aligndetr.data.coco_json import box_defect
from aligndetr.data.formats import Reading
from aligndetr.data.images import read_image
from aligndetr.errors import DataError
from aligndetr.files import atomic_write
from aligndetr.runtime.drawing.palette import class_color, hex_color
from aligndetr.structures import Boxes, Instances
from aligndetr.visualization.draw import draw_instances

_COLUMNS, _ROWS, _TILE, _GAP = 4, 4, 320, 6  # of the contact sheet; the last two in pixels
_MOST_CLASSES, _MOST_POINTS = 40, 20_000


def draw_pictures(reading: Reading, name: str, folder: str | os.PathLike) -> list[Path]:
    """Write `NAME_boxes.png` and `NAME_images.png`.

    Args:
        reading: the dataset.
        name: what it is called.
        folder: made when missing.

    Returns:
        What was written.
    """
    folder = Path(folder)
    label = name.replace(os.sep, "_")
    paths = [folder / f"{label}_boxes.png", folder / f"{label}_images.png"]
    draw_boxes(reading, name, paths[0])
    draw_contact_sheet(reading, paths[1])
    return paths


def draw_boxes(reading: Reading, title: str, path: str | os.PathLike) -> None:
    """How often each class occurs, and width over height against size, coloured by class."""
    from matplotlib.figure import Figure

    names, labels, sizes = _boxes(reading)
    shown = min(len(names), _MOST_CLASSES)
    figure = Figure(figsize=(11, max(4.0, 0.24 * shown + 1.2)), layout="constrained")
    figure.suptitle(title, fontsize=12)
    bars, dots = figure.subplots(1, 2)
    ranked = Counter(labels.tolist()).most_common(shown)
    places = range(len(ranked))
    counts = [count for _, count in ranked]
    colors = [hex_color(class_color(index)) for index, _ in ranked]
    bars.barh(places, counts, color=colors)
    bars.set_yticks(places, [names[index] for index, _ in ranked])
    bars.invert_yaxis()
    for place, count in zip(places, counts, strict=True):
        bars.text(count, place, f" {count}", va="center", fontsize=8)
    bars.margins(x=0.12)
    more = f", the {shown} commonest of {len(names)}" if shown < len(names) else ""
    bars.set_title(f"boxes of each class{more}", fontsize=10)
    _scatter(dots, labels, sizes)
    for axes in (bars, dots):
        axes.spines[["top", "right"]].set_visible(False)
    with atomic_write(path, "wb") as file:
        figure.savefig(file, format="png", dpi=110)


def _scatter(axes, labels: np.ndarray, sizes: np.ndarray) -> None:
    from matplotlib.ticker import LogLocator, NullLocator

    chosen = np.random.default_rng(0).permutation(len(sizes))[:_MOST_POINTS]
    width, height = sizes[chosen].T
    colors = [hex_color(class_color(int(index))) for index in labels[chosen]]
    axes.scatter(np.sqrt(width * height), width / height, s=7, c=colors, alpha=0.5, linewidths=0)
    axes.set_xscale("log")
    axes.set_yscale("log")
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axis.set_major_formatter("{x:g}")
        axis.set_minor_locator(NullLocator())
    axes.axhline(1, color="#9aa5b1", linewidth=0.8)
    axes.set_xlabel("square root of the area, pixels")
    axes.set_ylabel("width / height")
    axes.set_title("size and shape of each box", fontsize=10)


def draw_contact_sheet(reading: Reading, path: str | os.PathLike) -> None:
    """Sixteen images, evenly spaced in the list, with their boxes."""
    images = reading.content["images"]
    chosen = np.linspace(0, len(images) - 1, min(len(images), _COLUMNS * _ROWS)).round().astype(int)
    ids = sorted(category["id"] for category in reading.content["categories"])
    names = {category["id"]: category["name"] for category in reading.content["categories"]}
    tiles = [_tile(reading, images[index], ids, [names[i] for i in ids]) for index in chosen]
    rows = [tiles[start : start + _COLUMNS] for start in range(0, len(tiles), _COLUMNS)]
    heights = [max(tile.height for tile in row) + _GAP for row in rows]
    sheet = Image.new("RGB", (_COLUMNS * (_TILE + _GAP), sum(heights)), "white")
    for number, row in enumerate(rows):
        for place, tile in enumerate(row):
            left = place * (_TILE + _GAP) + (_TILE - tile.width) // 2
            sheet.paste(tile, (left, sum(heights[:number])))
    with atomic_write(path, "wb") as file:
        sheet.save(file, format="PNG")


def _tile(reading: Reading, image: dict, ids: list[int], names: list[str]) -> Image.Image:
    try:
        pixels = read_image(
            reading.image_root / image["file_name"], (image["height"], image["width"])
        )
    except DataError:
        return Image.new("RGB", (_TILE, _TILE), "#e4e7eb")  # the report names it
    own = [a for a in reading.content["annotations"] if a["image_id"] == image["id"]]
    own = [a for a in own if box_defect(a["bbox"]) is None and a["category_id"] in ids]
    boxes = np.array([a["bbox"] for a in own], dtype=np.float32).reshape(-1, 4)
    boxes[:, 2:] += boxes[:, :2]
    objects = Instances(
        pixels.shape[:2],
        gt_boxes=Boxes(torch.from_numpy(boxes)),
        gt_classes=torch.tensor([ids.index(a["category_id"]) for a in own], dtype=torch.int64),
    )
    picture = draw_instances(pixels, objects, names)
    picture.thumbnail((_TILE, _TILE))
    return picture


def _boxes(reading: Reading) -> tuple[list[str], np.ndarray, np.ndarray]:
    """Class names by place, (N,) places and (N, 2) widths and heights of the objects."""
    categories = sorted(reading.content["categories"], key=lambda category: category["id"])
    place = {category["id"]: index for index, category in enumerate(categories)}
    own = [
        a
        for a in reading.content["annotations"]
        if not a.get("iscrowd", 0) and box_defect(a["bbox"]) is None and a["category_id"] in place
    ]
    labels = np.array([place[a["category_id"]] for a in own], dtype=np.int64)
    sizes = np.array([a["bbox"][2:] for a in own], dtype=np.float64).reshape(-1, 2)
    return [category["name"] for category in categories], labels, sizes
