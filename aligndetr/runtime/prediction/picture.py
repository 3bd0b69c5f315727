"""One picture that a detector is to look at: its name, where it came from, its pixels."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from ..errors import PixelsError
from ..images import read_image, to_array
from .affordable import pixel_limit, usual_pixels

CHANNELS = (1, 3, 4)


@dataclass(frozen=True)
class Frame:
    """Where in a video a picture comes from.

    Attributes:
        video: name of the video.
        target: path of what is written of the whole video, without a suffix of its own.
        index: number of the frame in the video, from 0.
        seconds: its time stamp.
        rate: pictures a second, after those that a stride leaves out.
    """

    video: str
    target: Path
    index: int
    seconds: float
    rate: Fraction


@dataclass(frozen=True)
class Picture:
    """What is to be looked at; its pixels are read when they are asked for.

    Attributes:
        name: what outputs call it: a path, a URL, `clip.mp4#12`.
        target: relative path below an output folder, which no other picture of a run has.
        read: gives (H, W, 3) uint8 RGB, upright; DataError where it cannot.
        frame: of a video; None for an image.
    """

    name: str
    target: Path
    read: Callable[[], np.ndarray]
    frame: Frame | None = None


def upright_rgb(
    image: str | os.PathLike | Image.Image | np.ndarray, most_pixels: int | None = None
) -> np.ndarray:
    """(H, W, 3) uint8 RGB of a file, a Pillow image or an array, turned as EXIF says.

    Args:
        image: a file; a Pillow image of any mode; or an array of uint8: (H, W, 3) RGB,
            (H, W) or (H, W, 1) grey, (H, W, 4) RGBA, whose alpha is ignored.
        most_pixels: a file with more is refused by its header; None: see `usual_pixels`.

    Raises:
        DataError: the file is missing, broken, or too large.
        PixelsError: the array is none of these; also a ValueError.
    """
    if isinstance(image, Image.Image):
        return to_array(ImageOps.exif_transpose(image))
    if isinstance(image, str | os.PathLike):
        with pixel_limit(usual_pixels() if most_pixels is None else most_pixels):
            return read_image(image)
    pixels = np.asarray(image)
    if pixels.ndim == 2:
        pixels = pixels[:, :, None]
    is_image = pixels.ndim == 3 and pixels.shape[2] in CHANNELS and pixels.size
    if not is_image or pixels.dtype != np.uint8:
        raise PixelsError(
            "an image array must be uint8 (0 to 255) and (H, W, 3) RGB, (H, W, 4) RGBA or (H, W) "
            f"grey, got {np.shape(image)} {pixels.dtype}"
        )
    return pixels[:, :, :3] if pixels.shape[2] > 1 else pixels.repeat(3, axis=2)
