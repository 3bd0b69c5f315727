"""How large a picture may be: its pixels are counted in its header, before they are decoded."""

from __future__ import annotations

import os
import re
import warnings
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from PIL import Image

BYTES_PER_PIXEL = 16
"""Decoded by Pillow (4), as an array (3), drawn on (8), and a little for copies."""

_MEMINFO = Path("/proc/meminfo")


def affordable_pixels() -> int:
    """Pixels of the largest image that the memory which is free now can hold."""
    return available_memory() // BYTES_PER_PIXEL


def usual_pixels() -> int:
    """What Pillow lets pass, or memory if that is less."""
    return min(Image.MAX_IMAGE_PIXELS or affordable_pixels(), affordable_pixels())


@contextmanager
def pixel_limit(most: int) -> Generator[None]:
    """Inside of it, images with more pixels are refused, in place of Pillow's own limit."""
    before = Image.MAX_IMAGE_PIXELS
    Image.MAX_IMAGE_PIXELS = most
    try:
        with warnings.catch_warnings():  # whoever reads compares with the limit, and refuses
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            yield
    finally:
        Image.MAX_IMAGE_PIXELS = before


def available_memory() -> int:
    """Bytes to be had without swapping; all of the machine's where the system does not say."""
    if _MEMINFO.is_file():
        found = re.search(r"^MemAvailable:\s+(\d+) kB", _MEMINFO.read_text(), re.MULTILINE)
        if found:
            return int(found.group(1)) * 1024
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
