"""The sampling points of one query, layer by layer."""

from __future__ import annotations

import os
from collections.abc import Sequence

import numpy as np

from aligndetr.errors import UserError
from aligndetr.explanation import inspection_picture_panels as panels
from aligndetr.explanation.inspection import Inspection, LayerView
from aligndetr.explanation.inspection_picture_panels import INK, frame, line
from aligndetr.visualization.curves import COLORS

_PANEL, _NARROW, _BAR = 3.4, 2.2, 0.2  # inches
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
    layers = [layer for layer in layers or inspection.layers if layer.sampling is not None]
    check_query(layers, query)
    low, high = _window(inspection, layers, query)
    pixels = (high - low) * inspection.image.shape[1::-1]
    width, height = _PANEL * pixels / pixels.max()
    figure, axes = panels.sheet(
        f"where query {query} samples", len(layers), max(width, _NARROW), [height, _BAR], 0.04,
        _legend(inspection),
    )  # fmt: skip
    for (picture, bar), layer in zip(axes.T, layers, strict=True):
        _draw_points(picture, inspection, layer, query)
        picture.set(xlim=(low[0], high[0]), ylim=(high[1], low[1]), facecolor="#e9edf1")
        _draw_shares(bar, layer, query)
    panels.save_sheet(figure, path)


def check_query(layers: Sequence[LayerView], query: int) -> None:
    """Raise a UserError unless the layers have sampling points of this query."""
    if not layers:
        raise UserError(
            "there are no sampling points: this decoder attends to all tokens; "
            "leave out --query to draw matches only"
        )
    size = len(layers[0].samples.points)
    if not 0 <= query < size:
        raise UserError(f"there is no query {query}; queries are 0 to {size - 1}")


def level_shares(layer: LayerView, query: int) -> np.ndarray:
    """(L,) sum of a query's weights in each level, over all heads; together 1."""
    weights = layer.samples.weights[query]
    return weights.sum((0, 2)) / len(weights)


def _window(
    inspection: Inspection, layers: Sequence[LayerView], query: int
) -> tuple[np.ndarray, np.ndarray]:
    """Corners of what panels show, normalised: all points that matter, and all boxes."""
    parts = []
    for layer in layers:
        matter = layer.samples.weights[query] > 0.01
        parts += [layer.samples.points[query][matter], layer.boxes[query].reshape(2, 2)]
        if layer.references is not None:
            parts.append(layer.references[query].reshape(-1, 2))
    size = inspection.image.shape[1::-1]
    corners = np.concatenate(parts) * size
    low, high = corners.min(0), corners.max(0)
    margin = 0.08 * (high - low).max() + 2
    return (low - margin) / size, (high + margin) / size


def _draw_points(axes, inspection: Inspection, layer: LayerView, query: int) -> None:
    pair = layer.pair_of(query)
    state = "not matched" if inspection.has_truth else ""
    if pair is not None:
        name = inspection.things[pair.thing].name
        state = f"{name}, score {pair.score:.2f}, IoU {pair.iou:.2f}"
    panels.show_image(axes, inspection.image, f"{layer.name}\n{state}", fade=0.5)
    frame(axes, layer.boxes[query], edgecolor="white", linewidth=3.2)
    frame(axes, layer.boxes[query], edgecolor=INK, linewidth=1.6)
    if layer.references is not None:
        panels.reference_mark(axes, layer.references[query], INK, 1.3)
    points, weights = layer.samples.points[query], layer.samples.weights[query]
    for level in range(points.shape[1]):
        axes.scatter(
            *points[:, level].reshape(-1, 2).T, s=_LARGEST * weights[:, level].ravel(), alpha=0.8,
            color=COLORS[level % len(COLORS)], edgecolors="white", linewidths=0.6, zorder=3 + level,
        )  # fmt: skip


def _draw_shares(axes, layer: LayerView, query: int) -> None:
    """A bar that the levels share as they share the weights."""
    start = 0.0
    for level, share in enumerate(level_shares(layer, query)):
        bar = axes.barh(0, share, left=start, color=COLORS[level % len(COLORS)], height=1)
        if share > 0.13:
            axes.bar_label(bar, [f"{share:.0%}"], label_type="center", fontsize=8, color="white")
        start += share
    axes.set(xlim=(0, start), ylim=(-0.5, 0.5))
    axes.axis("off")


def _legend(inspection: Inspection) -> list[list]:
    """Two lines: what colours mean, and what lines mean."""
    levels = [
        line(f"level {level} ({height}×{width})", COLORS[level % len(COLORS)], marker="o",
             linestyle="")
        for level, (height, width) in enumerate(inspection.shapes)
    ]  # fmt: skip
    dashed = line("reference", linewidth=1.3, linestyle=panels.DASHED)
    return [levels, [line("predicted box", linewidth=1.6), dashed]]
