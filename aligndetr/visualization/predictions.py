"""Pictures of what a model predicts beside what is there."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from itertools import accumulate
from pathlib import Path
from typing import Any

import torch
from PIL import Image, ImageDraw, ImageOps

from aligndetr.data.images import read_image
from aligndetr.data.loader import TestLoader
from aligndetr.evaluation.inference import evaluation_mode
from aligndetr.runtime.drawing.fonts import label_font, shorten
from aligndetr.runtime.drawing.picture_file import save_picture
from aligndetr.structures import Boxes, Instances
from aligndetr.visualization.draw import draw_instances

SHEET_FILE = "predictions.png"
_PAPER, _INK = (255, 255, 255), (70, 70, 70)
_GAP = 12


def save_prediction_pictures(
    model: torch.nn.Module | Callable,
    loader: TestLoader,
    output_dir: str | os.PathLike,
    count: int = 8,
    threshold: float = 0.5,
) -> Path:
    """Draw ground truth and predictions of the loader's first images side by side.

    Args:
        model: called with a batch, returns `list[{"instances": ...}]`; its modes are restored.
        loader: an evaluation loader with its `dataset` (a DetectionDataset) as attribute.
        output_dir: gets one PNG an image, named by its id, and `predictions.png` with all.
        count: how many images.
        threshold: predictions with a lower score are left out.

    Returns:
        Path of `predictions.png`.

    Raises:
        ValueError: the loader yields nothing.
    """
    output_dir, dataset = Path(output_dir), loader.dataset
    index_of = {dataset[index]["image_id"]: index for index in range(len(dataset))}
    panels = []
    for item, found in _predict(model, loader, count):
        record = dataset[index_of[item["image_id"]]]
        panels.append(truth_beside(record, found, dataset.class_names, threshold))
        save_picture(panels[-1], output_dir / f"image_{item['image_id']}.png")
    if not panels:
        raise ValueError("the loader yields no images, so there is nothing to draw")
    path = output_dir / SHEET_FILE
    save_picture(contact_sheet(panels), path)
    return path


def _predict(model: Callable, loader: Iterable, count: int) -> list[tuple[dict, Any]]:
    """(item, instances) of the first `count` images."""
    pairs = []
    with evaluation_mode(model), torch.inference_mode():
        for batch in loader:
            for item, output in zip(batch, model(batch), strict=True):
                pairs.append((item, output["instances"].to("cpu")))
            if len(pairs) >= count:
                break
    return pairs[:count]


def truth_beside(
    record: dict[str, Any], found: Instances, class_names: Sequence[str], threshold: float
) -> Image.Image:
    """A dataset record's objects, and beside them those that were found with some score."""
    image = read_image(record["file_name"], (record["height"], record["width"]))
    pictures = [
        draw_instances(image, ground_truth(record), class_names),
        draw_instances(image, found, class_names, threshold),
    ]
    return side_by_side(pictures, ("ground truth", f"predictions, score ≥ {threshold:g}"))


def ground_truth(record: dict[str, Any]) -> Instances:
    """A dataset record's objects without crowds, in pixels of the original image."""
    objects = [a for a in record["annotations"] if not a.get("iscrowd", 0)]
    return instances_of(objects, (record["height"], record["width"]), "gt")


def instances_of(objects: Sequence[dict], size: tuple[int, int], kind: str) -> Instances:
    """Entries with `bbox` XYWH and `category_id` as `kind`_boxes and `kind`_classes."""
    boxes = torch.tensor([each["bbox"] for each in objects], dtype=torch.float32).reshape(-1, 4)
    boxes[:, 2:] += boxes[:, :2]
    classes = torch.tensor([each["category_id"] for each in objects], dtype=torch.int64)
    return Instances(size, **{f"{kind}_boxes": Boxes(boxes), f"{kind}_classes": classes})


def side_by_side(pictures: Sequence[Image.Image], captions: Sequence[str]) -> Image.Image:
    """Pictures of equal size in a row, each with its caption above."""
    width, height = pictures[0].size
    letters = max(13, round(min(width, height) / 28))
    font, head = label_font(letters), letters * 2
    total = len(pictures) * width + (len(pictures) - 1) * _GAP
    row = Image.new("RGB", (total, height + head), _PAPER)
    canvas = ImageDraw.Draw(row)
    for position, (picture, caption) in enumerate(zip(pictures, captions, strict=True)):
        left = position * (width + _GAP)
        row.paste(picture, (left, head))
        text = shorten(caption, font, width)
        canvas.text((left, head // 2), text, font=font, fill=_INK, anchor="lm")
    return row


def contact_sheet(
    pictures: Sequence[Image.Image], columns: int = 2, cell: tuple[int, int] = (960, 600)
) -> Image.Image:
    """All pictures on one sheet, each scaled to fit `cell` = (width, height)."""
    cells = [ImageOps.contain(each, cell, Image.Resampling.LANCZOS) for each in pictures]
    rows = [cells[start : start + columns] for start in range(0, len(cells), columns)]
    heights = (max(each.height for each in row) for row in rows)
    widths = (max(each.width for each in cells[column::columns]) for column in range(len(rows[0])))
    lefts, tops = (
        list(accumulate(sides, lambda start, side: start + side + 2 * _GAP, initial=2 * _GAP))
        for sides in (widths, heights)
    )
    sheet = Image.new("RGB", (lefts[-1], tops[-1]), _PAPER)
    for index, picture in enumerate(cells):
        sheet.paste(picture, (lefts[index % columns], tops[index // columns]))
    return sheet
