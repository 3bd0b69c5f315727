"""Prediction on the command line: what is shared by all that can detect."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from .errors import UserError, some
from .picture_detector import PictureDetector
from .prediction.affordable import affordable_pixels
from .prediction.sources import SUFFIXES, Source, Sources
from .prediction.suppression import SoftSuppression, Suppression
from .prediction.tiles import Tiles
from .prediction.writers.outputs import Outputs, check_formats
from .progress import Progress

Fetch = Callable[[str], Path]


def predict(
    args: argparse.Namespace,
    inputs: Sequence[str],
    load: Callable[[], PictureDetector],
    fetch: Fetch | None = None,
) -> int:
    """Predict, and write it.

    Args:
        args: of a parser with `add_arguments` of `predict_arguments`.
        inputs: see `Sources`.
        load: gives the detector, once all else has been found to be right.
        fetch: makes a local copy of what a URL leads to; None: URLs are refused.

    Returns:
        1 when something could not be read, or a video broke off, else 0.

    Raises:
        UserError: nothing to read, or the options are wrong.
    """
    check_formats(args.save or ())
    tiles = None if args.tile is None else Tiles(args.tile, args.overlap)
    suppress = suppression(args)
    sources = _sources(args, inputs, tiles, fetch)
    formats = args.save or ["images", "coco", *["jsonl"] * any(s.is_video for s in sources)]
    detector = load()
    chosen = args.threshold, args.classes, tiles, suppress
    pipeline = detector.pipeline(args.batch_size, *chosen)
    fitted = detector.about_thresholds()
    if args.threshold is None and fitted:
        print(f"thresholds: {fitted}")
    output = Path(args.output)
    outputs = Outputs(output, formats, detector.class_names, detector.num_classes)
    progress = Progress(sources, output if "images" in formats else None)
    try:
        _write(pipeline, sources, outputs, progress)
    finally:
        progress.summarise(outputs)
    return 1 if progress.failed else 0


def _write(
    pipeline: Callable, sources: Iterable[Source], outputs: Outputs, progress: Progress
) -> None:
    with progress, outputs:
        for prediction in pipeline(progress.watched(sources), progress.fail):
            outputs.add(prediction)
            progress.show(prediction)


def suppression(args: argparse.Namespace) -> Suppression | SoftSuppression | None:
    """What is done about duplicates."""
    if args.nms is not None:
        return Suppression(args.nms)
    return None if args.soft_nms is None else SoftSuppression(args.soft_nms)


def _sources(
    args: argparse.Namespace, inputs: Sequence[str], tiles: Tiles | None, fetch: Fetch | None
) -> list[Source]:
    """What the command line names; there is something.

    Raises:
        UserError: there is not.
    """
    most = None if tiles is None else affordable_pixels()
    sources = Sources(inputs, args.output, args.stride, most, fetch)
    found = list(sources)
    if sources.skipped:
        names = some(path.name for path in sources.skipped)
        print(f"skipped {len(sources.skipped)} files that are no images: {names}")
    if not found:
        known = " ".join(sorted(SUFFIXES))
        raise UserError(f"no images in {', '.join(inputs) or 'the command'}; known: {known}")
    return found
