"""Images that look alike, found by perceptual hashes (pHash, Zauner 2010; library ImageHash)."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

from aligndetr.data.images import read_image
from aligndetr.errors import DataError

CLOSE = 8  # of 64 bits; saved again or made smaller: 0 to 6; others, even of one kind: from 14
_AT_ONCE = 2**24  # comparisons


def load_hasher() -> Callable[[np.ndarray], np.ndarray]:
    """A function from (H, W, 3) uint8 to a (64,) bool hash.

    Raises:
        DataError: ImageHash is not installed.
    """
    try:
        import imagehash
    except ImportError as error:
        raise DataError(
            "near-duplicates are found with ImageHash: pip install 'aligndetr[data]'"
        ) from error
    from PIL import Image

    return lambda pixels: imagehash.phash(Image.fromarray(pixels)).hash.ravel()


def hash_files(paths: Sequence[Path]) -> np.ndarray:
    """(N, 64) bool hashes of image files.

    Raises:
        DataError: a file cannot be read, or ImageHash is not installed.
    """
    hasher = load_hasher()
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        hashes = pool.map(lambda path: hasher(read_image(path)), paths)
        return np.array(list(hashes), dtype=bool).reshape(-1, 64)


def close_pairs(first: np.ndarray, second: np.ndarray) -> Iterator[tuple[int, int]]:
    """Pairs (i, j), ascending, of hashes that differ in at most `CLOSE` bits.

    Args:
        first: (N, 64) bool.
        second: (M, 64) bool.
    """
    # a product of signs counts equal bits less different ones: 64 - 2 * distance
    signs = [np.where(hashes, 1, -1).astype(np.float32) for hashes in (first, second)]
    rows = max(1, _AT_ONCE // max(len(second), 1))
    for start in range(0, len(first), rows):
        products = signs[0][start : start + rows] @ signs[1].T
        for i, j in np.argwhere(products >= 64 - 2 * CLOSE):
            yield start + int(i), int(j)


def group(hashes: np.ndarray) -> np.ndarray:
    """(N,) numbers of groups: what is close to one of a group belongs to it."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    pairs: Any = np.array(list(close_pairs(hashes, hashes)), dtype=np.int64).reshape(-1, 2)
    size = len(hashes)
    graph = coo_array((np.ones(len(pairs), bool), (pairs[:, 0], pairs[:, 1])), shape=(size, size))
    return connected_components(graph, directed=False)[1]
