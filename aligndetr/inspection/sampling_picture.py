"""The sampling points of one query, layer by layer."""

from __future__ import annotations

import os
from collections.abc import Sequence

import numpy as np

from aligndetr.errors import UserError
from aligndetr.files import atomic_write
from aligndetr.inspection.content import Inspection, LayerView
from aligndetr.inspection.panels import DPI, INK, SOFT, faded, frame, reference_mark
from aligndetr.visualization.curves import COLORS

_PANEL, _GAP, _HEAD, _TITLE, _BAR, _FOOT = 3.4, 0.2, 0.5, 0.5, 0.2, 0.62  # inches
_LARGEST = 260.0  # area of a point with weight 1, in square points


def draw_sampling(
    inspection: Inspection,
    query: int,
    path: str | os.PathLike,
    layers: Sequence[LayerView] | None = None,
) -> None:
    """Draw where a query looks in every layer: a point's area is its weight, its colour the level.

    Weights are those of all heads together, divided by their number, so that they add up to 1.

    Args:
        inspection: of an image.
        query: index.
        path: a PNG, written whole or not at all.
        layers: only these; None draws all that have sampling points.

    Raises:
        UserError: there are no sampling points, or there is no such query.
    """
    from matplotlib.figure import Figure

    layers = [layer for layer in layers or inspection.layers if layer.sampling is not None]
    check_query(layers, query)
    window = _window(inspection, layers, query)
    aspect = (window[2] - window[0]) / (window[3] - window[1])
    panel = (min(_PANEL, _PANEL * aspect), min(_PANEL, _PANEL / aspect))
    panel = (max(panel[0], 2.2), panel[1])
    total = (
        _GAP + len(layers) * (panel[0] + _GAP),
        panel[1] + _HEAD + _TITLE + _BAR + _FOOT,
    )
    figure = Figure(figsize=total, dpi=DPI, facecolor="white")
    figure.text(_GAP / total[0], 1 - 0.26 / total[1], f"where query {query} samples", fontsize=12,
                weight="bold", color=INK, va="center")  # fmt: skip
    for number, layer in enumerate(layers):
        left, width = (_GAP + number * (panel[0] + _GAP)) / total[0], panel[0] / total[0]
        area = (left, (_FOOT + _BAR + 0.06) / total[1], width, panel[1] / total[1])
        _draw_points(figure.add_axes(area), inspection, layer, query, window)
        area = (left, _FOOT / total[1], width, _BAR / total[1])
        _draw_shares(figure.add_axes(area), layer, query)
    _legend(figure, inspection)
    with atomic_write(path, "wb") as file:
        figure.savefig(file, format="png")


def check_query(layers: Sequence[LayerView], query: int) -> None:
    """Raise a UserError unless the layers have sampling points of this query."""
    if not layers:
        raise UserError(
            "there are no sampling points: this decoder attends to all tokens; "
            "leave out --query to draw matches only"
        )
    size = len(layers[0].sampling.points)
    if not 0 <= query < size:
        raise UserError(f"there is no query {query}; queries are 0 to {size - 1}")


def level_shares(layer: LayerView, query: int) -> np.ndarray:
    """(L,) sum of a query's weights in each level, over all heads; together 1."""
    weights = layer.sampling.weights[query]
    return weights.sum((0, 2)) / len(weights)


def _window(
    inspection: Inspection, layers: Sequence[LayerView], query: int
) -> tuple[float, float, float, float]:
    """What panels show, x0, y0, x1, y1 in pixels: all points that matter, and all boxes."""
    height, width = inspection.image.shape[:2]
    parts = []
    for layer in layers:
        matter = layer.sampling.weights[query] > 0.01
        parts += [layer.sampling.points[query][matter], layer.boxes[query].reshape(2, 2)]
        if layer.references is not None:
            parts.append(layer.references[query].reshape(-1, 2))
    corners = np.concatenate(parts) * (width, height)
    low, high = corners.min(0), corners.max(0)
    margin = 0.08 * (high - low).max() + 2
    return (*(low - margin), *(high + margin))


def _draw_points(axes, inspection: Inspection, layer: LayerView, query: int, window) -> None:
    height, width = inspection.image.shape[:2]
    size = (width, height)
    axes.imshow(faded(inspection.image, 0.5), extent=(0, width, height, 0), interpolation="bicubic")
    axes.set_facecolor("#e9edf1")
    axes.set_xticks([])
    axes.set_yticks([])
    axes.set_xlim(window[0], window[2])
    axes.set_ylim(window[3], window[1])
    pair = layer.pair_of(query)
    state = "not matched" if inspection.has_truth else ""
    if pair is not None:
        name = inspection.things[pair.thing].name
        state = f"{name}, score {pair.score:.2f}, IoU {pair.iou:.2f}"
    axes.set_title(f"{layer.name}\n{state}", loc="left", fontsize=9, color=INK, pad=4)
    frame(axes, layer.boxes[query], size, edgecolor="white", linewidth=3.2)
    frame(axes, layer.boxes[query], size, edgecolor=INK, linewidth=1.6)
    if layer.references is not None:
        mark = "edgecolor" if layer.references.shape[1] == 4 else "color"
        reference_mark(axes, layer.references[query], size, linewidth=1.3, **{mark: INK})
    points, weights = layer.sampling.points[query], layer.sampling.weights[query]
    for level in range(points.shape[1]):
        xy, weight = points[:, level].reshape(-1, 2) * size, weights[:, level].ravel()
        axes.scatter(
            *xy.T, s=_LARGEST * weight, color=COLORS[level % len(COLORS)], alpha=0.8,
            edgecolors="white", linewidths=0.6, zorder=3 + level,
        )  # fmt: skip


def _draw_shares(axes, layer: LayerView, query: int) -> None:
    """A bar that the levels share as they share the weights."""
    start = 0.0
    for level, share in enumerate(level_shares(layer, query)):
        axes.barh(0, share, left=start, color=COLORS[level % len(COLORS)], height=1)
        if share > 0.13:
            axes.text(start + share / 2, 0, f"{share:.0%}", ha="center", va="center",
                      fontsize=8, color="white")  # fmt: skip
        start += share
    axes.set_xlim(0, start)
    axes.set_ylim(-0.5, 0.5)
    axes.axis("off")


def _legend(figure, inspection: Inspection) -> None:
    from matplotlib.lines import Line2D

    levels = [
        Line2D([], [], color=COLORS[level % len(COLORS)], marker="o", linestyle="",
               label=f"level {level} ({height}×{width})")
        for level, (height, width) in enumerate(inspection.shapes)
    ]  # fmt: skip
    lines = [
        Line2D([], [], color=INK, linewidth=1.6, label="predicted box"),
        Line2D([], [], color=INK, linewidth=1.3, linestyle=(0, (3, 2)), label="reference"),
    ]
    height = figure.get_size_inches()[1]
    for handles, bottom in ((levels, 0.32), (lines, 0.1)):
        figure.legend(
            handles=handles, loc="lower left", ncols=len(handles), frameon=False, fontsize=8.5,
            labelcolor=SOFT, bbox_to_anchor=(0.012, bottom / height), handletextpad=0.4,
            columnspacing=1.2, borderpad=0,
        )  # fmt: skip
