"""What pictures of an inspection have in common."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from aligndetr.visualization.palette import class_color, text_color

DPI = 110
INK, SOFT = "#1f2933", "#61707f"


def thing_color(index: int) -> tuple[float, float, float]:
    """Colour of a thing, the same in all layers, for matplotlib."""
    return tuple(channel / 255 for channel in class_color(index))


def letter_color(index: int) -> tuple[float, float, float]:
    """Colour of letters on `thing_color`."""
    return tuple(channel / 255 for channel in text_color(class_color(index)))


def faded(image: np.ndarray, share: float = 0.35) -> np.ndarray:
    """The image mixed with its own mean grey, so that coloured lines stand out."""
    grey = image.mean(axis=2, keepdims=True)
    mixed = (1 - share) * image + share * (0.5 * grey + 64)
    return mixed.clip(0, 255).astype(np.uint8)


def frame(axes, box: Sequence[float], size: tuple[int, int], **style) -> None:
    """Add the outline of a normalised xyxy box to axes in pixels of a (width, height) image."""
    from matplotlib.patches import Rectangle

    x0, y0, x1, y1 = _pixels(box, size)
    axes.add_patch(Rectangle((x0, y0), x1 - x0, y1 - y0, fill=False, **style))


def reference_mark(axes, reference: Sequence[float], size: tuple[int, int], **style) -> None:
    """A dashed frame for a reference box, a plus for a reference point."""
    if len(reference) == 4:
        frame(axes, reference, size, linestyle=(0, (3, 2)), **style)
    else:
        x, y = _pixels(reference, size)
        width = style.pop("linewidth", 1.0)
        axes.plot(x, y, "+", markersize=9, markeredgewidth=width + 0.6, **style)


def _pixels(values: Sequence[float], size: tuple[int, int]) -> np.ndarray:
    return np.asarray(values) * np.tile(size, len(values) // 2)
