"""Image files as 8-bit arrays, whatever their kind."""

from __future__ import annotations

import math
import os
from collections.abc import Generator
from contextlib import contextmanager
from typing import BinaryIO

import numpy as np
from PIL import ExifTags, Image, ImageOps, UnidentifiedImageError

from .errors import DataError, UserError
from .files import check_regular

FORMATS = ("JPEG", "PNG", "BMP", "GIF", "WEBP", "TIFF", "PPM")  # JPEG: also a camera's MPO


class MissingImageError(DataError):
    """There is no such image file."""


class SizeMismatchError(DataError):
    """An image has another size than its annotation says, so that boxes would be off."""


def read_image(
    path: str | os.PathLike,
    size: tuple[int, int] | None = None,
    image_format: str = "RGB",
    short_edge: int | None = None,
    content: BinaryIO | None = None,
) -> np.ndarray:
    """Read an image upright: grey, palette, transparent, CMYK and 16-bit files included.

    Args:
        path: image file.
        size: (height, width) that the annotations refer to, when known. Pixels are turned by
            the EXIF orientation unless only the unturned image has this size.
        image_format: "RGB" or "BGR", the order of the channels.
        short_edge: a JPEG is decoded to 1/2, 1/4 or 1/8 of its size, whichever is the smallest
            whose shorter edge has so many pixels; None: as it is.
        content: the bytes, where `path` is only their name.

    Returns:
        (H, W, 3) uint8.

    Raises:
        DataError: the file is missing, broken, none of `FORMATS`, or has more pixels than
            `PIL.Image.MAX_IMAGE_PIXELS`; these are counted before they are decoded.
        SizeMismatchError: its size is another one.
    """
    with _opened(path, size, content) as image:
        is_turned = _is_turned(image, size)
        if short_edge is not None:
            enlarged = short_edge / min(image.size)
            width, height = (math.ceil(edge * enlarged) for edge in image.size)
            image.draft(None, (width, height))
        upright = ImageOps.exif_transpose(image) if is_turned else image
        return to_array(upright, image_format)


def check_header(
    path: str | os.PathLike, size: tuple[int, int], content: BinaryIO | None = None
) -> None:
    """Raise what `read_image` raises, as far as it shows without reading the pixels."""
    with _opened(path, size, content):
        pass


def read_size(path: str | os.PathLike, content: BinaryIO | None = None) -> tuple[int, int]:
    """(height, width) of an image that is turned upright, from its header.

    Raises:
        DataError: the file is missing, broken, or none of `FORMATS`.
    """
    with _opened(path, None, content) as image:
        width, height = image.size
        is_turned = image.getexif().get(ExifTags.Base.Orientation, 1) >= 5
        return (width, height) if is_turned else (height, width)


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


@contextmanager
def _opened(
    path: str | os.PathLike, size: tuple[int, int] | None, content: BinaryIO | None
) -> Generator[Image.Image]:
    """The image, of which only the header has been read and compared with the annotated size."""
    with named(path):
        if content is None:
            check_regular(path)
        with Image.open(path if content is None else content, formats=FORMATS) as image:
            _check_pixels(image)
            if size is not None:
                _check_size(path, image, size)
            yield image


@contextmanager
def named(path: str | os.PathLike) -> Generator[None]:
    """Whatever goes wrong with an image becomes a sentence that names it."""
    try:
        yield
    except FileNotFoundError:
        raise MissingImageError(f"image {path} does not exist; check image_root") from None
    except UserError:
        raise
    except UnidentifiedImageError as error:
        kinds = ", ".join(FORMATS)
        raise DataError(f"cannot read image {path}: damaged, or none of {kinds}") from error
    except Exception as error:  # damaged bytes make Pillow raise whatever their values lead to
        reason = getattr(error, "strerror", None) or error
        raise DataError(f"cannot read image {path}: {reason}") from error


def _check_pixels(image: Image.Image) -> None:
    limit = Image.MAX_IMAGE_PIXELS
    if limit is not None and image.width * image.height > limit:
        raise ValueError(
            f"{image.width}x{image.height} are above {limit} pixels; save it smaller or in tiles"
        )


def _check_size(path: str | os.PathLike, image: Image.Image, size: tuple[int, int]) -> None:
    width, height = image.size
    turned = (width, height) == size and image.getexif().get(ExifTags.Base.Orientation, 1) >= 5
    if (height, width) != tuple(size) and not turned:
        raise SizeMismatchError(
            f"image {path} is {width}x{height} but its annotation says "
            f"{size[1]}x{size[0]} (width x height); boxes would be off"
        )


def _is_turned(image: Image.Image, size: tuple[int, int] | None) -> bool:
    """Whether EXIF's orientation counts: not for what was annotated by a tool that ignores it."""
    lies_down = image.getexif().get(ExifTags.Base.Orientation, 1) >= 5
    width, height = image.size
    annotated_so = size is not None and (height, width) == tuple(size)
    return not (lies_down and width != height and annotated_so)


def _from_16_bit(image: Image.Image) -> Image.Image:
    pixels = np.asarray(image).astype(np.int64)
    if pixels.min() < 0 or pixels.max() > 65535:
        raise ValueError("32-bit pixels have no known range; save it with 8 or 16 bits")
    return Image.fromarray(((pixels * 255 + 32767) // 65535).astype(np.uint8))
