"""Images whose boxes are percent of width and height instead of pixels."""

from __future__ import annotations

import numpy as np

_HUNDRED = 100.01  # percent, rounded
_LONG = 130  # pixels of a longer side, so that its middle is not that of a hundred
_ENOUGH = 10  # boxes
_SHARE = 0.05  # of the images
_BAND = 25  # pixels behind the hundredth, where objects of pixel data would go on
_CHANCE = 1e-4


def percent_boxes(boxes: np.ndarray, sizes: np.ndarray, image_ids: np.ndarray) -> np.ndarray:
    """Boxes of images that are annotated in percent, be it all images or some of them.

    All objects of such an image end within its first 100 pixels, though it is larger (the longer
    side above 130). A few small objects in a corner do so, too. Images are therefore taken for
    percent only if all of them together say so:

    * they are at least 5 % of the images, with ten boxes;
    * their boxes fill the hundred: from below 20 to above 80, with centres that vary around 50;
    * they end there: for 8 images that reach 80 to 100, at most one reaches 100 to 125;
    * so many are no chance (1 in 10 000), if the objects of an image, taken together as one box,
      could be anywhere in it.

    A false alarm needs pixel data in which 5 % of the images have objects nowhere but in the first
    100 x 100 pixels, all over these, and hardly any image has them a little further: where
    objects keep to that corner, or to the first quarter of images below 200 pixels. That they are
    small, are there by chance, or always at one place of it (a logo) is not enough.

    Args:
        boxes: (N, 4) x, y, width, height.
        sizes: (N, 2) width and height of each box's image.
        image_ids: (N,).

    Returns:
        (N,) bool.
    """
    hosts = np.unique(image_ids, return_inverse=True)[1]  # places among M images
    starts, ends, size = _together(boxes, sizes, hosts)
    larger = (size > _HUNDRED).all(axis=1) & (size.max(axis=1) > _LONG)
    within = larger & (starts >= -1).all(axis=1) & (ends <= _HUNDRED).all(axis=1)
    flags = within[hosts]
    is_many = within.mean() >= _SHARE and flags.sum() >= _ENOUGH
    if not is_many or not _fill(boxes[flags]) or not _stop(ends[larger]):
        return np.zeros(len(boxes), bool)
    expected = _chances(ends[larger] - starts[larger], size[larger]).sum()
    return flags & (_log_tail(within.sum(), expected) < np.log(_CHANCE))


def _together(
    boxes: np.ndarray, sizes: np.ndarray, hosts: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(M, 2) each: where the objects of an image begin, where they end, and its size."""
    shape = hosts.max() + 1, 2
    starts, ends, size = np.full(shape, np.inf), np.full(shape, -np.inf), np.empty(shape)
    np.minimum.at(starts, hosts, boxes[:, :2])
    np.maximum.at(ends, hosts, boxes[:, :2] + boxes[:, 2:])
    size[hosts] = sizes
    return starts, ends, size


def _fill(boxes: np.ndarray) -> bool:
    """Whether boxes are spread over the first hundred pixels."""
    starts, ends = boxes[:, :2], boxes[:, :2] + boxes[:, 2:]
    centres = (starts + ends) / 2
    is_middle = abs(centres.mean(axis=0) - 50) < 15
    is_wide = (starts.min(axis=0) < 20) & (ends.max(axis=0) > 80) & (centres.std(axis=0) > 5)
    return bool((is_middle & is_wide).all())


def _stop(ends: np.ndarray) -> bool:
    """Whether images whose objects reach about a hundred pixels stop at them."""
    reach = ends.max(axis=1)
    before = (reach > 80) & (reach <= _HUNDRED)
    behind = (reach > _HUNDRED) & (reach <= _HUNDRED + _BAND)
    return bool(before.sum() >= 8 * behind.sum())


def _chances(extents: np.ndarray, size: np.ndarray) -> np.ndarray:
    """(M,) of a box of some extents to lie within the first hundred, if it may be anywhere."""
    parts = np.maximum(100 - extents, 1) / np.maximum(size - extents, 1)
    return np.where((extents <= _HUNDRED).all(axis=1), parts.prod(axis=1), 0)


def _log_tail(count: int, expected: float) -> float:
    """A bound on the logarithm of a Poisson number's chance to be at least `count` (Chernoff)."""
    if count <= expected:
        return 0.0
    return float(count - expected - count * np.log(count / expected))
