"""Panels in one figure, and what is drawn on them: boxes and points normalised to the image."""

from __future__ import annotations

import os
from collections.abc import Sequence
from io import BytesIO
from typing import IO

import numpy as np
from PIL import Image

from aligndetr.files import atomic_write

DPI = 110
INK, SOFT = "#1f2933", "#61707f"
DASHED = (0, (3, 2))
_GAP, _LEGEND = 0.18, 0.25  # inches


def sheet(
    title: str,
    columns: int,
    width: float,
    heights: Sequence[float],
    space: float,
    legend: Sequence[Sequence],
):
    """A figure with panels below a title and above lines of legend; lengths in inches.

    Args:
        title: of the figure.
        columns: of panels.
        width: of a panel.
        heights: of each row of panels.
        space: between rows, for titles of panels.
        legend: handles of each line of the legend.

    Returns:
        The figure, and (rows, columns) axes.
    """
    from matplotlib.figure import Figure

    size = (columns * (width + _GAP) - _GAP, sum(heights) + space * (len(heights) - 1))
    figure = Figure(size, dpi=DPI)
    figure.text(0, 1 + 0.55 / size[1], title, fontsize=13, weight="bold", color=INK)
    for number, handles in enumerate(legend):
        figure.legend(
            handles=handles, loc="upper left", ncols=max(1, len(handles)), frameon=False,
            bbox_to_anchor=(0, -(0.06 + _LEGEND * number) / size[1]), fontsize=8.5,
            labelcolor=INK, handletextpad=0.5, columnspacing=1.4, borderpad=0,
        )  # fmt: skip
    layout = {"left": 0, "right": 1, "bottom": 0, "top": 1, "height_ratios": heights}
    spaces = {"wspace": _GAP / width, "hspace": space / float(np.mean(heights))}
    axes = figure.subplots(len(heights), columns, squeeze=False, gridspec_kw=layout | spaces)
    return figure, axes


def save_sheet(figure, path: str | os.PathLike) -> None:
    """Write a PNG with what stands around the panels, whole or not at all."""
    with atomic_write(path, "wb") as file:
        _save(figure, file)


def sheet_pixels(figure) -> np.ndarray:
    """The same picture as (H, W, 3) uint8 RGB."""
    file = BytesIO()
    _save(figure, file)
    return np.asarray(Image.open(file).convert("RGB"))


def _save(figure, file: IO[bytes]) -> None:
    figure.savefig(file, format="png", bbox_inches="tight", pad_inches=_GAP)


def show_image(axes, image: np.ndarray, title: str, fade: float = 0.35) -> None:
    """The image, from 0 to 1 both ways, mixed with grey, so that coloured lines stand out."""
    aspect = image.shape[0] / image.shape[1]
    axes.imshow(faded(image, fade), extent=(0, 1, 1, 0), interpolation="bicubic", aspect=aspect)
    axes.set(xticks=[], yticks=[], autoscale_on=False)
    axes.set_title(title, loc="left", fontsize=9.5, color=INK, pad=4)


def faded(image: np.ndarray, share: float = 0.35) -> np.ndarray:
    """The image mixed with its own mean grey."""
    grey = image.mean(axis=2, keepdims=True)
    mixed = (1 - share) * image + share * (0.5 * grey + 64)
    return mixed.clip(0, 255).astype(np.uint8)


def frame(axes, box: Sequence[float] | np.ndarray, **style) -> None:
    """Add the outline of an xyxy box."""
    from matplotlib.patches import Rectangle

    x0, y0, x1, y1 = box
    axes.add_patch(Rectangle((x0, y0), x1 - x0, y1 - y0, fill=False, **style))


def reference_mark(axes, reference: Sequence[float], color: str, linewidth: float) -> None:
    """A dashed frame for a reference box, a plus for a reference point."""
    if len(reference) == 4:
        frame(axes, reference, linestyle=DASHED, edgecolor=color, linewidth=linewidth)
    else:
        axes.plot(*reference, "+", markersize=9, markeredgewidth=linewidth + 0.6, color=color)


def line(label: str, color: str = INK, **style):
    """A handle of a legend."""
    from matplotlib.lines import Line2D

    return Line2D([], [], label=label, color=color, **style)
