"""A colour for every class."""

from __future__ import annotations

import colorsys

Color = tuple[int, int, int]

# Bright enough on photographs, and far from each other in the first dozen.
_FIRST: tuple[Color, ...] = (
    (255, 89, 94),
    (25, 130, 196),
    (255, 202, 58),
    (106, 190, 48),
    (171, 99, 250),
    (255, 146, 76),
    (0, 187, 173),
    (241, 91, 181),
    (120, 144, 255),
    (196, 214, 0),
    (178, 122, 78),
    (0, 204, 255),
)
_GOLDEN_RATIO = 0.618034


def class_color(index: int) -> Color:
    """RGB of a class; the same in every picture, distinct for neighbouring indices."""
    if index < len(_FIRST):
        return _FIRST[index]
    hue = index * _GOLDEN_RATIO % 1
    saturation, value = ((0.65, 1.0), (0.9, 0.85), (0.5, 0.9))[index % 3]
    red, green, blue = colorsys.hsv_to_rgb(hue, saturation, value)
    return round(red * 255), round(green * 255), round(blue * 255)


def hex_color(color: Color) -> str:
    """As HTML and matplotlib write it."""
    return "#{:02x}{:02x}{:02x}".format(*color)


def text_color(background: Color) -> Color:
    """Black or white, whichever reads better (ITU-R BT.601 luma)."""
    red, green, blue = background
    return (0, 0, 0) if 0.299 * red + 0.587 * green + 0.114 * blue > 140 else (255, 255, 255)
