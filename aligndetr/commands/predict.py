"""`aligndetr predict`: draw what a trained model finds in images and videos.

    aligndetr predict --checkpoint model_final.pth images/ --output out/

Inputs are images, folders that are searched with all their subfolders, patterns
such as 'images/*.jpg', URLs, videos, and camera:0. Pictures keep the names of
the images; `predictions.json` holds the same boxes in COCO's format. See
docs/prediction.md.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aligndetr.commands.arguments import (
    add_checkpoint_arguments,
    add_config_arguments,
    add_output_argument,
    add_trust_argument,
    load_config,
    split_words,
)
from aligndetr.errors import UserError, some

if TYPE_CHECKING:
    from aligndetr.prediction.sources import Source


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of the command."""
    add_config_arguments(parser, others="images, folders, patterns, URLs or videos")
    add_trust_argument(parser)
    add_checkpoint_arguments(parser, default=None)
    add_output_argument(parser, default="predictions")
    _add_output_arguments(parser)
    _add_choice_arguments(parser)
    _add_looking_arguments(parser)


def _add_output_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--save",
        type=_words,
        metavar="KINDS",
        help="some of images, coco, yolo, csv, jsonl, crops, separated by commas (default: "
        "images,coco; of videos jsonl too); images of a video are a video",
    )


def _add_choice_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add(
        "--threshold",
        type=float,
        metavar="S",
        help="leave out objects with a lower score (default: those that `aligndetr analyze` stored "
        "in the checkpoint, one a class, else 0.5)",
    )
    add(
        "--calibrated",
        action="store_true",
        help="scores say what IoU to expect, as the checkpoint's calibrator has it",
    )
    add("--classes", type=_words, metavar="NAMES", help="leave out others; separated by commas")
    duplicates = parser.add_mutually_exclusive_group()
    duplicates.add_argument(
        "--nms",
        type=float,
        metavar="IOU",
        help="leave out boxes that overlap a better one of their class by more (default: none are)",
    )
    duplicates.add_argument(
        "--soft-nms",
        type=float,
        metavar="SIGMA",
        help="lower scores of boxes that overlap a better one (default: none are)",
    )


def _add_looking_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--batch-size", type=int, default=1, metavar="N", help="images of equal size at once")
    add("--precision", default="fp32", metavar="P", help="fp32, bf16 or fp16 (default: fp32)")
    add("--tile", type=int, metavar="PIXELS", help="look at squares of this side, and at the whole")
    add("--overlap", type=float, default=0.2, metavar="SHARE", help="of neighbours (default: 0.2)")
    add("--flip", action="store_true", help="look at the mirrored image, too")
    sizes = "look at these sizes, as 0.8,1,1.25"
    add("--scales", type=_words, default=["1"], metavar="S", help=sizes)
    add("--stride", type=int, default=1, metavar="N", help="of videos, take each N-th frame")


def _words(text: str) -> list[str]:
    return [word.strip() for word in text.split(",") if word.strip()]


def run(args: argparse.Namespace) -> int:
    """Predict, and write it.

    Returns:
        1 when something could not be read, or a video broke off, else 0.

    Raises:
        UserError: nothing to read, or config, checkpoint or options are wrong.
    """
    from aligndetr.commands.progress import Progress
    from aligndetr.prediction.writers.outputs import Outputs

    formats, tiles, suppress = _options(args)
    sources = _sources(args, tiles)
    formats = formats or ["images", "coco", *["jsonl"] * any(s.is_video for s in sources)]
    predictor = _predictor(args)
    chosen = args.threshold, args.classes, tiles, suppress
    predict = predictor.pipeline(args.batch_size, *chosen)
    if args.threshold is None and predictor.operating_point is not None:
        print(f"thresholds of the checkpoint: {_thresholds(predictor)}")
    names = predictor.class_names
    output = Path(args.output)
    outputs = Outputs(output, formats, names, predictor.num_classes)
    progress = Progress(sources, output if "images" in formats else None)
    try:
        _write(predict, sources, outputs, progress)
    finally:
        progress.summarise(outputs)
    return 1 if progress.failed else 0


def _write(predict: Callable, sources: Iterable[Source], outputs: Any, progress: Any) -> None:
    with progress, outputs:
        for prediction in predict(progress.watched(sources), progress.fail):
            outputs.add(prediction)
            progress.show(prediction)


def _options(args: argparse.Namespace) -> tuple[list[str] | None, Any, Any]:
    """Formats, tiles and suppression, checked before anything slow begins."""
    from aligndetr.prediction.suppression import SoftSuppression, Suppression
    from aligndetr.prediction.tiles import Tiles
    from aligndetr.prediction.writers.outputs import check_formats

    check_formats(args.save or ())
    tiles = None if args.tile is None else Tiles(args.tile, args.overlap)
    suppress = None
    if args.nms is not None:
        suppress = Suppression(args.nms)
    elif args.soft_nms is not None:
        suppress = SoftSuppression(args.soft_nms)
    return args.save, tiles, suppress


def _sources(args: argparse.Namespace, tiles: Any) -> list[Source]:
    """What the command line names; there is something.

    Raises:
        UserError: there is not.
    """
    from aligndetr.interop.download import fetch
    from aligndetr.prediction.affordable import affordable_pixels
    from aligndetr.prediction.sources import SUFFIXES, Sources

    inputs = split_words(args).others
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


def _predictor(args: argparse.Namespace) -> Any:
    from aligndetr.engine.augmented_detector import Looks
    from aligndetr.predictor import Predictor

    try:
        scales = tuple(map(float, args.scales))
    except ValueError:
        raise UserError(f"--scales {','.join(args.scales)}: give numbers, as 0.8,1,1.25") from None
    return Predictor(
        load_config(args),
        args.checkpoint,
        weights=args.weights,
        calibrated=args.calibrated,
        precision=args.precision,
        looks=Looks(args.flip, scales),
    )


def _thresholds(predictor: Any) -> str:
    """Such as `cat 0.41, dog 0.63 (fitted on kitchen_val)`."""
    point = predictor.operating_point
    names = predictor.class_names or range(len(point.thresholds))
    pairs = zip(names, point.thresholds, strict=True)
    fitted_on = point.data.get("dataset", "unknown data")
    return f"{some([f'{name} {value:.2f}' for name, value in pairs])} (fitted on {fitted_on})"
