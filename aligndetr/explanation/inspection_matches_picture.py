"""Each layer's matched queries and reference boxes, side by side."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence

import numpy as np

from aligndetr.explanation import inspection_picture_panels as panels
from aligndetr.explanation.inspection import Inspection, LayerView
from aligndetr.explanation.inspection_picture_panels import SOFT, frame, line
from aligndetr.runtime.drawing.boxes import place_label
from aligndetr.runtime.drawing.fonts import label_font, text_size
from aligndetr.runtime.drawing.palette import class_color, hex_color, text_color

MOST_LABELLED = 12  # things; labels of more would cover the image
_LETTERS = 8  # points


def draw_matches(
    inspection: Inspection,
    path: str | os.PathLike,
    layers: Sequence[LayerView] | None = None,
    title: str = "matched queries of each layer",
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
    panels.save_sheet(_sheet(inspection, layers, title), path)


def matches_picture(inspection: Inspection) -> np.ndarray:
    """What `draw_matches` draws of all layers, as (H, W, 3) uint8 RGB."""
    return panels.sheet_pixels(_sheet(inspection, None, "matched queries of each layer"))


def _sheet(inspection: Inspection, layers: Sequence[LayerView] | None, title: str):
    layers = inspection.layers if layers is None else layers
    height, width = inspection.image.shape[:2]
    is_row = len(layers) < 4 or (len(layers) == 4 and width < height)
    columns = len(layers) if is_row else math.ceil(len(layers) / 2)
    # All panels of a row share some 15 inches, but none is larger than 5 either way.
    side = min(5.0, 15.0 / columns, 5.0 * width / height)
    panel = (side, side * height / width)
    heights = [panel[1]] * math.ceil(len(layers) / columns)
    figure, axes = panels.sheet(title, columns, side, heights, 0.3, _legend(inspection, layers))
    for place, layer in zip(axes.flat, layers, strict=False):
        _draw_layer(place, inspection, layer)
        if len(inspection.things) <= MOST_LABELLED:
            _draw_labels(place, layer, np.round(np.array(panel) * panels.DPI).astype(int))
    for place in axes.flat[len(layers) :]:
        place.remove()
    return figure


def _draw_layer(axes, inspection: Inspection, layer: LayerView) -> None:
    panels.show_image(axes, inspection.image, _summary(inspection, layer))
    for thing in inspection.things if inspection.has_truth else ():
        frame(axes, thing.box, edgecolor="black", linewidth=2.4, alpha=0.5)
        frame(axes, thing.box, edgecolor="white", linewidth=1.2)
    for pair in sorted(layer.pairs, key=lambda pair: -pair.rank):
        color = hex_color(class_color(pair.thing))
        if layer.references is not None:
            panels.reference_mark(axes, layer.references[pair.query], color, 1.1)
        thick = 2.4 if pair.rank == 0 else 1.1
        frame(axes, layer.boxes[pair.query], edgecolor=color, linewidth=thick)


def _summary(inspection: Inspection, layer: LayerView) -> str:
    if not layer.pairs:
        return f"{layer.name}: nothing"
    if not inspection.has_truth:
        return f"{layer.name}: IoU with the last layer {layer.mean_iou:.2f}"
    return f"{layer.name}: k = {layer.most_queries}, mean IoU {layer.mean_iou:.2f}"


def _draw_labels(axes, layer: LayerView, dots: np.ndarray) -> None:
    """Labels find their place in (width, height) dots of the panel, best queries first."""
    font = label_font(round(_LETTERS * panels.DPI / 72))
    taken: list[tuple[int, int, int, int]] = []
    for pair in sorted(layer.pairs, key=lambda pair: pair.rank):
        place = f" r{pair.rank}" if pair.rank else ""
        text = f"q{pair.query}{place} {pair.score:.2f}"
        width, height = text_size(text, font)
        box = tuple(np.round(layer.boxes[pair.query] * np.tile(dots, 2)).astype(int))
        taken.append(place_label((width + 8, height), box, taken, tuple(dots)))
        color = class_color(pair.thing)
        axes.text(
            *np.reshape(taken[-1], (2, 2)).mean(0) / dots, text, ha="center", va="center",
            fontsize=_LETTERS, color=hex_color(text_color(color)),
            bbox={"facecolor": hex_color(color), "edgecolor": "none", "pad": 1.2,
                  "alpha": 0.93 if pair.rank == 0 else 0.8},
        )  # fmt: skip


def _legend(inspection: Inspection, layers: Sequence[LayerView]) -> list[list]:
    """Two lines: what lines mean, and what colours mean."""
    things = [
        line(thing.name, hex_color(class_color(index)), marker="s", linestyle="")
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
        styles.append(line("reference", SOFT, linewidth=1.1, linestyle=panels.DASHED))
    if inspection.has_truth:
        styles.append(line("ground truth", "#b8c0c8", linewidth=2.4))
    return [styles, things]
