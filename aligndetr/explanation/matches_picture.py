"""Each layer's matched queries and reference boxes, side by side."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence

import numpy as np

from aligndetr.explanation.inspection import Inspection
from aligndetr.explanation.layer_view import LayerView, Pair
from aligndetr.explanation.panels import (
    DPI,
    SOFT,
    Sheet,
    frame,
    letter_color,
    line,
    reference_mark,
    show_image,
    thing_color,
)
from aligndetr.visualization.draw import place_label
from aligndetr.visualization.fonts import label_font, text_size

MOST_LABELLED = 12  # things; labels of more would cover the image
_LETTERS = 8  # points


def draw_matches(
    inspection: Inspection,
    path: str | os.PathLike,
    layers: Sequence[LayerView] | None = None,
    title: str = "",
) -> None:
    """Draw a panel a layer.

    A thing has one colour in all of them. Thick: the box of its best query, thin: those of the
    others, dashed: the references they started from, white: the thing itself.

    Args:
        inspection: of an image.
        path: a PNG, written whole or not at all.
        layers: only these; None draws all.
        title: above the panels.
    """
    layers = inspection.layers if layers is None else layers
    height, width = inspection.image.shape[:2]
    is_row = len(layers) < 4 or (len(layers) == 4 and width < height)
    columns = len(layers) if is_row else math.ceil(len(layers) / 2)
    # All panels of a row share some 15 inches, but none is larger than 5 either way.
    side = min(5.0, 15.0 / columns, 5.0 * width / height)
    panel = (side, side * height / width)
    rows = math.ceil(len(layers) / columns)
    title = title or "matched queries of each layer"
    sheet = Sheet(title, rows, columns, panel, 0.3, _legend(inspection, layers))
    for number, layer in enumerate(layers):
        _draw_layer(sheet.axes(number), inspection, layer, panel)
    sheet.save(path)


def _draw_layer(axes, inspection: Inspection, layer: LayerView, panel: tuple[float, float]) -> None:
    height, width = inspection.image.shape[:2]
    size = (width, height)
    show_image(axes, inspection.image, _summary(inspection, layer))
    if inspection.has_truth:
        for thing in inspection.things:
            frame(axes, thing.box, size, edgecolor="black", linewidth=2.4, alpha=0.5)
            frame(axes, thing.box, size, edgecolor="white", linewidth=1.2)
    for pair in sorted(layer.pairs, key=lambda pair: -pair.rank):
        color = thing_color(pair.thing)
        if layer.references is not None:
            reference_mark(axes, layer.references[pair.query], size, color, 1.1)
        thick = 2.4 if pair.rank == 0 else 1.1
        frame(axes, layer.boxes[pair.query], size, edgecolor=color, linewidth=thick)
    if len(inspection.things) <= MOST_LABELLED:
        _draw_labels(axes, layer, size, panel)
    axes.set_xlim(0, width)
    axes.set_ylim(height, 0)


def _summary(inspection: Inspection, layer: LayerView) -> str:
    if not layer.pairs:
        return f"{layer.name}: nothing"
    if not inspection.has_truth:
        return f"{layer.name}: IoU with the last layer {layer.mean_iou:.2f}"
    return f"{layer.name}: k = {layer.most_queries}, mean IoU {layer.mean_iou:.2f}"


def _draw_labels(axes, layer: LayerView, size: tuple[int, int], panel: tuple[float, float]) -> None:
    """Labels find their place in dots of the picture, best queries first."""
    dots = (round(panel[0] * DPI), round(panel[1] * DPI))
    scale = dots[0] / size[0]
    font = label_font(round(_LETTERS * DPI / 72))
    taken: list[tuple[int, int, int, int]] = []
    for pair in sorted(layer.pairs, key=lambda pair: pair.rank):
        text = _label(pair)
        letters = text_size(text, font)
        box = [round(v) for v in layer.boxes[pair.query] * np.tile(dots, 2)]
        area = place_label((letters[0] + 8, letters[1]), tuple(box), taken, dots)
        taken.append(area)
        axes.text(
            (area[0] + area[2]) / 2 / scale, (area[1] + area[3]) / 2 / scale, text,
            ha="center", va="center", fontsize=_LETTERS, color=letter_color(pair.thing),
            bbox={"facecolor": thing_color(pair.thing), "edgecolor": "none", "pad": 1.2,
                  "alpha": 0.93 if pair.rank == 0 else 0.8},
        )  # fmt: skip


def _label(pair: Pair) -> str:
    place = f" r{pair.rank}" if pair.rank else ""
    return f"q{pair.query}{place} {pair.score:.2f}"


def _legend(inspection: Inspection, layers: Sequence[LayerView]) -> list[list]:
    """Two lines: what lines mean, and what colours mean."""
    things = [
        line(thing.name, thing_color(index), marker="s", linestyle="")
        for index, thing in enumerate(inspection.things[:MOST_LABELLED])
    ]
    if not inspection.has_truth:
        styles = [line("box of the layer", SOFT, linewidth=2.6)]
    elif any(pair.rank for layer in inspection.layers for pair in layer.pairs):
        styles = [line("best query of an object (rank 0)", SOFT, linewidth=2.6),
                  line("its other queries (r1, r2, ...)", SOFT, linewidth=1.1)]  # fmt: skip
    else:
        styles = [line("matched query", SOFT, linewidth=2.6)]
    if any(layer.references is not None for layer in layers):
        styles.append(line("reference", SOFT, linewidth=1.1, linestyle=(0, (3, 2))))
    if inspection.has_truth:
        styles.append(line("ground truth", "#b8c0c8", linewidth=2.4))
    return [styles, things]
