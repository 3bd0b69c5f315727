"""A sheet of pictures of one image, and what is drawn on them."""

from __future__ import annotations

import os
from collections.abc import Sequence

import numpy as np

from aligndetr.files import atomic_write
from aligndetr.visualization.palette import class_color, text_color

DPI = 110
INK, SOFT = "#1f2933", "#61707f"
_GAP, _TITLE, _LEGEND = 0.18, 0.45, 0.25  # inches


class Sheet:
    """Panels of one size, row by row, below a title and above lines of legend.

    Args:
        title: of the sheet.
        rows, columns: of panels.
        panel: width and height of one, in inches.
        head: inches above each panel, for its own title.
        legend: handles of each line of the legend.
    """

    def __init__(
        self,
        title: str,
        rows: int,
        columns: int,
        panel: tuple[float, float],
        head: float,
        legend: Sequence[Sequence],
    ) -> None:
        from matplotlib.figure import Figure

        self._columns, self._panel, self._head = columns, panel, head
        foot = _LEGEND * len(legend) + 0.14
        width = columns * (panel[0] + _GAP) + _GAP
        height = rows * (panel[1] + head) + _TITLE + foot
        self._bottoms = [foot + (rows - 1 - row) * (panel[1] + head) for row in range(rows)]
        self._figure = Figure(figsize=(width, height), dpi=DPI, facecolor="white")
        self._size = np.array([width, height])
        self._figure.text(_GAP / width, 1 - 0.25 / height, title, fontsize=13, weight="bold",
                          color=INK, va="center")  # fmt: skip
        for line, handles in enumerate(reversed(legend)):
            self._figure.legend(
                handles=handles, loc="lower left", ncols=max(1, len(handles)),
                bbox_to_anchor=(0.012, (0.1 + _LEGEND * line) / height), frameon=False,
                fontsize=8.5, labelcolor=INK, handletextpad=0.5, columnspacing=1.4, borderpad=0,
            )  # fmt: skip

    def axes(self, number: int, low: float = 0.0, high: float = 1.0):
        """The axes of a panel, or of the part of its height from `low` to `high`."""
        left = _GAP + number % self._columns * (self._panel[0] + _GAP)
        bottom = self._bottoms[number // self._columns] + low * self._panel[1]
        corner = np.array([left, bottom]) / self._size
        size = np.array([self._panel[0], (high - low) * self._panel[1]]) / self._size
        return self._figure.add_axes((*corner, *size))

    def save(self, path: str | os.PathLike) -> None:
        """Write a PNG, whole or not at all."""
        with atomic_write(path, "wb") as file:
            self._figure.savefig(file, format="png")


def show_image(axes, image: np.ndarray, title: str, fade: float = 0.35) -> None:
    """The image in its own pixels, mixed with grey, so that coloured lines stand out."""
    height, width = image.shape[:2]
    axes.imshow(faded(image, fade), extent=(0, width, height, 0), interpolation="bicubic")
    axes.set_xticks([])
    axes.set_yticks([])
    axes.set_title(title, loc="left", fontsize=9.5, color=INK, pad=4)


def faded(image: np.ndarray, share: float = 0.35) -> np.ndarray:
    """The image mixed with its own mean grey."""
    grey = image.mean(axis=2, keepdims=True)
    mixed = (1 - share) * image + share * (0.5 * grey + 64)
    return mixed.clip(0, 255).astype(np.uint8)


def thing_color(index: int) -> tuple[float, float, float]:
    """Colour of a thing, the same in all layers, for matplotlib."""
    return tuple(channel / 255 for channel in class_color(index))


def letter_color(index: int) -> tuple[float, float, float]:
    """Colour of letters on `thing_color`."""
    return tuple(channel / 255 for channel in text_color(class_color(index)))


def frame(axes, box: Sequence[float], size: tuple[int, int], **style) -> None:
    """Add the outline of a normalised xyxy box to axes in pixels of a (width, height) image."""
    from matplotlib.patches import Rectangle

    x0, y0, x1, y1 = np.asarray(box) * np.tile(size, 2)
    axes.add_patch(Rectangle((x0, y0), x1 - x0, y1 - y0, fill=False, **style))


def reference_mark(
    axes, reference: Sequence[float], size: tuple[int, int], color, linewidth: float
) -> None:
    """A dashed frame for a reference box, a plus for a reference point."""
    if len(reference) == 4:
        frame(axes, reference, size, linestyle=(0, (3, 2)), edgecolor=color, linewidth=linewidth)
    else:
        x, y = np.asarray(reference) * size
        axes.plot(x, y, "+", markersize=9, markeredgewidth=linewidth + 0.6, color=color)


def line(label: str, color=INK, **style):
    """A handle of a legend."""
    from matplotlib.lines import Line2D

    return Line2D([], [], label=label, color=color, **style)
