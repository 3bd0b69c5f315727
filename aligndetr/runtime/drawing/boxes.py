"""Boxes with names and scores on an image."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
from PIL import Image, ImageDraw, ImageOps

from .fonts import label_font, shorten, text_size
from .palette import Color, class_color, text_color

SMALLEST_SIDE = 480  # smaller images are enlarged, so that labels can be read

Area = tuple[int, int, int, int]


@dataclass
class _Object:
    """One box to draw, in pixels of the picture."""

    box: Area
    text: str
    color: Color


def draw_boxes(
    image: np.ndarray,
    boxes: np.ndarray,
    classes: Sequence[int],
    scores: Sequence[float] | None = None,
    class_names: Sequence[str] | None = None,
    threshold: float = 0.0,
) -> Image.Image:
    """Draw boxes (N, 4), xyxy pixels of `image`, as `draw_instances` does."""
    image = np.asarray(image)
    if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8:
        raise ValueError(f"expected an (H, W, 3) uint8 image, got {image.shape} {image.dtype}")
    factor = max(1, math.ceil(SMALLEST_SIDE / max(image.shape[:2])))
    picture = ImageOps.scale(Image.fromarray(image), factor, Image.Resampling.BICUBIC)
    rows = zip(boxes * factor, classes, scores or [None] * len(classes), strict=True)
    objects = _objects(rows, class_names, threshold, picture.size)
    stroke = max(2, math.ceil(math.sqrt(picture.width * picture.height) / 260))
    overlay = Image.new("RGBA", picture.size)
    canvas = ImageDraw.Draw(overlay)
    for thing in objects:
        _draw_box(canvas, thing, stroke)
    _draw_labels(canvas, objects, picture.size, stroke)
    picture.paste(overlay, mask=overlay)
    return picture


def _objects(
    rows: Iterable[tuple[np.ndarray, int, float | None]],
    class_names: Sequence[str] | None,
    threshold: float,
    size: tuple[int, int],
) -> list[_Object]:
    """What to draw, the least confident first."""
    objects = []
    for box, index, score in sorted(rows, key=lambda row: row[2] or 0.0):
        if (score is None or score >= threshold) and np.isfinite(box).all():
            known = class_names is not None and index < len(class_names)
            name = str(class_names[index] if known else index)
            text = name if score is None else f"{name} {score:.2f}"
            objects.append(_Object(_pixels(box, size), text, class_color(index)))
    return objects


def _pixels(box: np.ndarray, size: tuple[int, int]) -> Area:
    """First and last pixel of a box, within the picture and at least one pixel large."""
    width, height = size
    x0, y0, x1, y1 = (round(float(value)) for value in box)
    x0, y0 = min(max(x0, 0), width - 1), min(max(y0, 0), height - 1)
    return x0, y0, min(max(x1 - 1, x0), width - 1), min(max(y1 - 1, y0), height - 1)


def _draw_box(canvas: ImageDraw.ImageDraw, thing: _Object, stroke: int) -> None:
    """A coloured frame with a thin dark line on either side, visible on any background."""
    x0, y0, x1, y1 = thing.box
    shadow = (0, 0, 0, 110)
    canvas.rectangle((x0 - 1, y0 - 1, x1 + 1, y1 + 1), outline=shadow, width=1)
    if min(x1 - x0, y1 - y0) > 4 * stroke:
        inner = (x0 + stroke, y0 + stroke, x1 - stroke, y1 - stroke)
        canvas.rectangle(inner, outline=shadow, width=1)
    canvas.rectangle(thing.box, outline=(*thing.color, 255), width=stroke)


def _draw_labels(
    canvas: ImageDraw.ImageDraw, objects: list[_Object], size: tuple[int, int], stroke: int
) -> None:
    """Labels of the confident objects find their place first and are drawn last."""
    width, height = size
    letters = max(12, min(round(math.sqrt(width * height) / 44), height // 6))
    font = label_font(letters)
    margin = max(2, letters // 5)
    placed: list[tuple[Area, str, Color]] = []
    for thing in reversed(objects):
        text = shorten(thing.text, font, width - 2 * margin)
        text_width, text_height = text_size(text, font)
        label = (text_width + 2 * margin, text_height + margin // 2)
        area = place_label(label, thing.box, [other for other, _, _ in placed], size)
        placed.append((area, text, thing.color))
    for (x0, y0, x1, y1), text, color in reversed(placed):
        canvas.rectangle((x0, y0, x1 - 1, y1 - 1), fill=(*color, 230))
        start = (x0 + margin, (y0 + y1) / 2)
        canvas.text(start, text, font=font, fill=text_color(color), anchor="lm")


def place_label(
    label: tuple[int, int], box: Area, taken: Sequence[Area], size: tuple[int, int]
) -> Area:
    """The first place around the box, inside the picture, that covers no other label.

    If every place is taken, the one that covers least.
    """
    width, height = label
    x0, y0, x1, y1 = box[0], box[1], box[2] + 1, box[3] + 1
    corners = product((y0 - height, y1, y0, y1 - height), (x0, x1 - width))
    inside = [
        (max(0, min(x, size[0] - width)), max(0, min(y, size[1] - height))) for y, x in corners
    ]
    areas = [(x, y, x + width, y + height) for x, y in inside]
    return min(areas, key=lambda area: sum(_overlap(area, other) for other in taken))


def _overlap(a: Area, b: Area) -> int:
    width = min(a[2], b[2]) - max(a[0], b[0])
    height = min(a[3], b[3]) - max(a[1], b[1])
    return max(width, 0) * max(height, 0)
