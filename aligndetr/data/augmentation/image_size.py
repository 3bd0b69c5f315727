"""One number for the size of images: pixels of a recipe, scaled to another one."""

from __future__ import annotations

from aligndetr.errors import ConfigError


def scale_to(image_size: int | None, recipe: int) -> float:
    """What the lengths of a recipe are multiplied by.

    Args:
        image_size: wanted, in pixels; None: that of the recipe.
        recipe: the image size that its lengths were chosen for, in pixels.

    Raises:
        ConfigError: the image size is no positive whole number.
    """
    if image_size is None:
        return 1.0
    if type(image_size) is not int or image_size < 1:
        raise ConfigError(f"image_size={image_size!r} must be a positive number of pixels, or null")
    return image_size / recipe


def scaled(length: float, scale: float) -> int:
    """A length in pixels times `scale`, at least 1; halves are rounded up."""
    return int(length) if scale == 1 else max(1, int(length * scale + 0.5))
