"""Image files as 8-bit arrays, whatever their kind."""

from __future__ import annotations

import os
import struct
import zlib

import numpy as np
from PIL import Image, ImageOps

from aligndetr.errors import DataError

_BROKEN = (
    OSError,
    SyntaxError,  # Pillow's word for a broken PNG
    ValueError,
    EOFError,
    struct.error,
    zlib.error,
    Image.DecompressionBombError,
)


class SizeMismatchError(DataError):
    """An image has another size than its annotation says, so that boxes would be off."""


def read_image(
    path: str | os.PathLike, size: tuple[int, int] | None = None, image_format: str = "RGB"
) -> np.ndarray:
    """Read an image upright: grey, palette, transparent, CMYK and 16-bit files included.

    Args:
        path: image file.
        size: (height, width) that the annotations refer to, when known. Pixels are turned by
            the EXIF orientation unless only the unturned image has this size.
        image_format: "RGB" or "BGR", the order of the channels.

    Returns:
        (H, W, 3) uint8.

    Raises:
        DataError: the file is missing, broken or of an unknown kind.
        SizeMismatchError: its size is another one.
    """
    try:
        with Image.open(path) as image:
            upright = _orient(image, size)
            array = to_array(upright, image_format)
    except FileNotFoundError:
        raise DataError(f"image {path} does not exist; check image_root") from None
    except _BROKEN as error:
        raise DataError(f"cannot read image {path}: {error}") from error
    if size is not None and array.shape[:2] != tuple(size):
        height, width = array.shape[:2]
        raise SizeMismatchError(
            f"image {path} is {width}x{height} but its annotation says {size[1]}x{size[0]} "
            "(width x height); boxes would be off"
        )
    return array


def to_array(image: Image.Image, image_format: str = "RGB") -> np.ndarray:
    """(H, W, 3) uint8 array of a Pillow image of any mode; an alpha channel is ignored.

    Args:
        image: the image, as it is: no EXIF rotation.
        image_format: "RGB" or "BGR".

    Raises:
        ValueError: an unknown image_format, or floating point pixels.
    """
    if image_format not in ("RGB", "BGR"):
        raise ValueError(f"image_format must be RGB or BGR, got {image_format!r}")
    if image.mode.startswith("I"):
        image = _from_16_bit(image)
    elif image.mode == "F":
        raise ValueError("floating point pixels have no known range; save it with 8 or 16 bits")
    elif "transparency" in image.info and image.mode == "P":
        image = image.convert("RGBA")  # a palette with alpha loses colours when converted directly
    array = np.array(image.convert("RGB"))
    return array if image_format == "RGB" else array[:, :, ::-1]


def _orient(image: Image.Image, size: tuple[int, int] | None) -> Image.Image:
    upright = ImageOps.exif_transpose(image)
    if size is not None and upright.size != (size[1], size[0]) == image.size:
        return image  # annotated on the stored pixels by a tool that ignores EXIF
    return upright


def _from_16_bit(image: Image.Image) -> Image.Image:
    pixels = np.asarray(image).astype(np.int64)
    if pixels.min() < 0 or pixels.max() > 65535:
        raise ValueError("32-bit pixels have no known range; save it with 8 or 16 bits")
    return Image.fromarray(((pixels * 255 + 32767) // 65535).astype(np.uint8))
