"""What can be wrong with image files; findings are noted in a report."""

from __future__ import annotations

import hashlib
import os
import sys
from collections import defaultdict
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from aligndetr.data.images import MissingImageError, SizeMismatchError, check_header, read_image
from aligndetr.data.near_duplicates import close_pairs, load_hasher
from aligndetr.doctor.findings import Report
from aligndetr.errors import DataError


def check_images(
    images: list[dict[str, Any]], image_root: Path, decode: bool, report: Report
) -> None:
    """Missing and unreadable files, wrong sizes, and equal pixels under different names.

    Args:
        images: entries of the annotation file.
        image_root: folder of the images.
        decode: read all pixels; False only reads the headers.
        report: takes the findings and the fingerprints of the pixels.
    """
    found: dict[str, list[str]] = defaultdict(list)
    by_pixels: dict[bytes, list[str]] = defaultdict(list)
    hasher = _hasher(report) if decode else None
    with ThreadPoolExecutor(os.cpu_count()) as pool:  # decoding releases the interpreter lock
        results = pool.map(lambda i: _examine(i, image_root, decode, hasher), images)
        outcomes = _show_progress(results, len(images))
        for image, (defect, detail, digest, looks) in zip(images, outcomes, strict=True):
            if defect is not None:
                found[defect].append(detail)
            elif digest is not None:
                by_pixels[digest].append(image["file_name"])
                report.looks |= {} if looks is None else {image["file_name"]: looks}
    for defect, title in _FILE_DEFECTS.items():
        report.add("error", title, found[defect])
    same = [" = ".join(sorted(set(files))) for files in by_pixels.values() if len(set(files)) > 1]
    report.add("warning", "images have the same pixels", same)
    report.fingerprints = {digest: files[0] for digest, files in by_pixels.items()}
    report.add("warning", "images look alike (keep them in one split)", _lookalikes(report))


def _lookalikes(report: Report) -> list[str]:
    """Pairs of files with different pixels that look alike."""
    files = [file for file in report.fingerprints.values() if file in report.looks]
    hashes = np.array([report.looks[file] for file in files]).reshape(-1, 64)
    return [f"{files[i]} ~ {files[j]}" for i, j in close_pairs(hashes, hashes) if i < j]


def _hasher(report: Report) -> Callable[[np.ndarray], np.ndarray] | None:
    try:
        return load_hasher()
    except DataError as error:
        report.facts.append(("not done", str(error)))
        return None


_FILE_DEFECTS = {
    "missing": "images are missing",
    "broken": "images cannot be read",
    "size": "images have another size than the annotation file says",
}


class _Outcome(NamedTuple):
    """A key of `_FILE_DEFECTS` or None, words about it, digest and hash of the pixels."""

    defect: str | None
    detail: str
    digest: bytes | None = None
    looks: np.ndarray | None = None


def _examine(
    image: dict[str, Any], image_root: Path, decode: bool, hasher: Callable | None
) -> _Outcome:
    name, size = image["file_name"], (image["height"], image["width"])
    path = image_root / name
    try:
        if not decode:
            check_header(path, size)
            return _Outcome(None, name)
        pixels = read_image(path, size)
    except MissingImageError:
        return _Outcome("missing", name)
    except SizeMismatchError as error:
        return _Outcome("size", str(error))
    except DataError as error:
        return _Outcome("broken", f"{name}: {error}")
    digest = hashlib.blake2b(pixels.tobytes(), digest_size=16).digest()
    return _Outcome(None, name, digest, None if hasher is None else hasher(pixels))


def _show_progress(results: Any, total: int) -> Any:
    from rich.console import Console
    from rich.progress import track

    console = Console(stderr=True)
    hidden = not sys.stderr.isatty()
    return track(results, "reading images", total, transient=True, console=console, disable=hidden)
