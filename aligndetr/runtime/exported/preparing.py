"""How an exported file wants its images, by its metadata alone: NumPy and Pillow, no PyTorch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image


@dataclass(frozen=True)
class Prepared:
    """Images as a file takes them.

    Attributes:
        images: (B, 3, H, W) of the input's dtype.
        sizes: (B, 2) int64 height and width on the canvas.
        original_sizes: (B, 2) int64 height and width of the originals.
    """

    images: np.ndarray
    sizes: np.ndarray
    original_sizes: np.ndarray

    def feeds(self) -> dict[str, np.ndarray]:
        """Arrays by the names of the inputs."""
        return dict(vars(self))


def prepare(images: Sequence[np.ndarray], metadata: Mapping[str, Any]) -> Prepared:
    """Resize images and put them on one canvas, at its upper left corner.

    Args:
        images: (h, w, 3) uint8 RGB, upright; at most as many as a fixed canvas takes. It is filled
            up with empty ones, whose detections mean nothing.
        metadata: of the file.
    """
    resized = [_resized(image, metadata) for image in images]
    sizes = [image.shape[:2] for image in resized]
    originals = [image.shape[:2] for image in images]
    canvas = metadata.get("canvas")
    if canvas:
        batch, height, width = canvas["batch"], canvas["height"], canvas["width"]
    else:
        batch, (height, width) = len(images), map(max, zip(*sizes, strict=True))
    pixels = np.zeros((batch, 3, height, width), dtype=metadata["inputs"]["images"]["dtype"])
    for index, image in enumerate(resized):
        pixels[index, :, : image.shape[0], : image.shape[1]] = image.transpose(2, 0, 1)
    empty = [(height, width)] * (batch - len(images))
    return Prepared(
        pixels,
        np.array([*sizes, *empty], dtype=np.int64),
        np.array([*originals, *empty], dtype=np.int64),
    )


def resized_size(size: tuple[int, int], metadata: Mapping[str, Any]) -> tuple[int, int]:
    """(height, width) that an image of `size` = (height, width) gets.

    By the shortest edge: with s = length / shorter edge, both edges are multiplied by s (the
    shorter one becomes `length` exactly), then, if the longer one exceeds `max_size`, by max_size /
    longer edge; halves are rounded up. A fixed canvas that is still too small shrinks both edges
    by the same factor, again with halves rounded up, to what fits.
    """
    rule = metadata["resize"]
    height, width = size
    if rule["rule"] == "fixed":
        height, width = rule["height"], rule["width"]
    elif rule["rule"] == "shortest_edge":
        height, width = _by_shortest_edge(size, rule["length"], rule.get("max_size"))
    canvas = metadata.get("canvas")
    if canvas and (height > canvas["height"] or width > canvas["width"]):
        shrink = min(canvas["height"] / height, canvas["width"] / width)
        edges = ((height, canvas["height"]), (width, canvas["width"]))
        height, width = (max(1, min(most, int(edge * shrink + 0.5))) for edge, most in edges)
    return height, width


def _by_shortest_edge(size: tuple[int, int], length: int, max_size: int | None) -> tuple[int, int]:
    # the order of these operations decides how halves are rounded
    scale = length / min(size)
    edges = [float(length) if edge == min(size) else scale * edge for edge in size]
    if max_size is not None and max(edges) > max_size:
        shrink = max_size / max(edges)
        edges = [edge * shrink for edge in edges]
    height, width = (int(edge + 0.5) for edge in edges)
    return height, width


def _resized(image: np.ndarray, metadata: Mapping[str, Any]) -> np.ndarray:
    """(h, w, 3) of the metadata's size and order of channels."""
    height, width = resized_size(image.shape[:2], metadata)
    if (height, width) != image.shape[:2]:
        picture = Image.fromarray(np.ascontiguousarray(image))
        image = np.asarray(picture.resize((width, height), Image.Resampling.BILINEAR))
    return image if metadata["channel_order"] == "RGB" else image[:, :, ::-1]
