"""The typeface of labels."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from PIL import ImageFont


@lru_cache(maxsize=64)
def label_font(size: int) -> ImageFont.FreeTypeFont:
    """A font at `size` pixels.

    DejaVu Sans, which knows most alphabets, where matplotlib is, which brings it; else Pillow's
    own, which knows European ones.
    """
    try:
        import matplotlib
    except ImportError:
        font = ImageFont.load_default(size)
        assert isinstance(font, ImageFont.FreeTypeFont)  # with a size it is one
        return font
    path = Path(matplotlib.get_data_path()) / "fonts" / "ttf" / "DejaVuSans.ttf"
    return ImageFont.truetype(str(path), size)


def text_size(text: str, font: ImageFont.FreeTypeFont) -> tuple[int, int]:
    """(width, height) in pixels; the height does not depend on the letters."""
    ascent, descent = font.getmetrics()
    return round(font.getlength(text)), ascent + descent


def shorten(text: str, font: ImageFont.FreeTypeFont, width: int) -> str:
    """The text, cut with an ellipsis until it is at most `width` pixels wide."""
    if font.getlength(text) <= width:
        return text
    while text and font.getlength(f"{text}…") > width:
        text = text[:-1]
    return f"{text}…" if text else ""
