"""Each layer's matched queries and reference boxes, side by side."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence

import numpy as np

from aligndetr.files import atomic_write
from aligndetr.inspection.content import Inspection, LayerView, Pair
from aligndetr.inspection.panels import (
    DPI,
    INK,
    SOFT,
    faded,
    frame,
    letter_color,
    reference_mark,
    thing_color,
)
from aligndetr.visualization.draw import place_label
from aligndetr.visualization.fonts import label_font, text_size

MOST_LABELLED = 12  # things; labels of more would cover the image
_LETTERS = 8  # points
_HEAD, _GAP, _TITLE, _LEGEND = 0.3, 0.16, 0.42, 0.66  # inches


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
    from matplotlib.figure import Figure

    layers = inspection.layers if layers is None else layers
    height, width = inspection.image.shape[:2]
    columns = _columns(len(layers), width / height)
    rows = math.ceil(len(layers) / columns)
    panel = _panel_size(width / height, columns)
    total = (
        columns * (panel[0] + _GAP) + _GAP,
        rows * (panel[1] + _HEAD) + _TITLE + _LEGEND,
    )
    figure = Figure(figsize=total, dpi=DPI, facecolor="white")
    text = title or "matched queries of each layer"
    figure.text(_GAP / total[0], 1 - 0.24 / total[1], text, fontsize=13, weight="bold", color=INK,
                va="center")  # fmt: skip
    for number, layer in enumerate(layers):
        left = _GAP + number % columns * (panel[0] + _GAP)
        bottom = _LEGEND + (rows - 1 - number // columns) * (panel[1] + _HEAD)
        area = (left / total[0], bottom / total[1], panel[0] / total[0], panel[1] / total[1])
        _draw_layer(figure.add_axes(area), inspection, layer, panel)
    _legend(figure, inspection, any(layer.references is not None for layer in layers))
    with atomic_write(path, "wb") as file:
        figure.savefig(file, format="png")


def _columns(count: int, aspect: float) -> int:
    """One row for few panels, else two."""
    return count if count < 4 or (count == 4 and aspect < 1) else math.ceil(count / 2)


def _panel_size(aspect: float, columns: int) -> tuple[float, float]:
    """Inches: all panels of a row share some 15, but none is larger than 5 either way."""
    width = min(5.0, 15.0 / columns, 5.0 * aspect)
    return width, width / aspect


def _draw_layer(axes, inspection: Inspection, layer: LayerView, panel: tuple[float, float]) -> None:
    height, width = inspection.image.shape[:2]
    size = (width, height)
    axes.imshow(faded(inspection.image), extent=(0, width, height, 0), interpolation="bicubic")
    axes.set_xticks([])
    axes.set_yticks([])
    axes.set_title(_summary(inspection, layer), loc="left", fontsize=9.5, color=INK, pad=4)
    if inspection.has_truth:
        for thing in inspection.things:
            frame(axes, thing.box, size, edgecolor="black", linewidth=2.4, alpha=0.5)
            frame(axes, thing.box, size, edgecolor="white", linewidth=1.2)
    for pair in sorted(layer.pairs, key=lambda pair: -pair.rank):
        color = thing_color(pair.thing)
        if layer.references is not None:
            style = {"edgecolor": color} if layer.references.shape[1] == 4 else {"color": color}
            reference_mark(axes, layer.references[pair.query], size, linewidth=1.1, **style)
        thick = 2.4 if pair.rank == 0 else 1.1
        frame(axes, layer.boxes[pair.query], size, edgecolor=color, linewidth=thick)
    if len(inspection.things) <= MOST_LABELLED:
        _draw_labels(axes, layer, size, panel)
    axes.set_xlim(0, width)
    axes.set_ylim(height, 0)


def _summary(inspection: Inspection, layer: LayerView) -> str:
    if not layer.pairs:
        return f"{layer.name}: nothing"
    mean = np.mean([pair.iou for pair in layer.pairs])
    if not inspection.has_truth:
        return f"{layer.name}: IoU with the last layer {mean:.2f}"
    return f"{layer.name}: k = {layer.most_queries}, mean IoU {mean:.2f}"


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


def _legend(figure, inspection: Inspection, has_references: bool) -> None:
    """Two lines below everything: what lines mean, and what colours mean."""
    from matplotlib.lines import Line2D

    styles = [
        Line2D([], [], color=SOFT, linewidth=2.6, label="best query of an object (rank 0)"),
        Line2D([], [], color=SOFT, linewidth=1.1, label="its other queries (r1, r2, ...)"),
        Line2D([], [], color=SOFT, linewidth=1.1, linestyle=(0, (3, 2)), label="reference"),
        Line2D([], [], color="#b8c0c8", linewidth=2.4, label="ground truth"),
    ]
    if not inspection.has_truth:
        styles = [Line2D([], [], color=SOFT, linewidth=2.6, label="box of the layer"), styles[2]]
    if inspection.has_truth and not any(p.rank for layer in inspection.layers for p in layer.pairs):
        styles = [Line2D([], [], color=SOFT, linewidth=2.6, label="matched query"), *styles[2:]]
    if not has_references:
        styles = [style for style in styles if style.get_label() != "reference"]
    things = [
        Line2D([], [], color=thing_color(index), marker="s", linestyle="", label=thing.name)
        for index, thing in enumerate(inspection.things[:MOST_LABELLED])
    ]
    options = {"frameon": False, "fontsize": 8.5, "labelcolor": INK, "handletextpad": 0.5,
               "columnspacing": 1.4, "borderpad": 0}  # fmt: skip
    height = figure.get_size_inches()[1]
    for handles, bottom in ((styles, 0.36), (things, 0.12)):
        figure.legend(
            handles=handles, loc="lower left", ncols=max(1, len(handles)),
            bbox_to_anchor=(0.012, bottom / height), **options,
        )  # fmt: skip
