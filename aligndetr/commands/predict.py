"""`aligndetr predict`: draw what a trained model finds in images and videos.

    aligndetr predict --checkpoint model_final.pth images/ --output out/
    aligndetr predict model.onnx images/ --output out/

Inputs are images, folders that are searched with all their subfolders, patterns
such as 'images/*.jpg', URLs, videos, and camera:0. Pictures keep the names of
the images; `predictions.json` holds the same boxes in COCO's format. A file
that `aligndetr export` wrote is run by its own runtime. See docs/prediction.md.
"""

from __future__ import annotations

import argparse
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from aligndetr.commands.arguments import (
    add_checkpoint_arguments,
    add_config_arguments,
    add_trust_argument,
    is_override,
    load_config,
    split_words,
)
from aligndetr.errors import UserError
from aligndetr.runtime import predict_arguments

if TYPE_CHECKING:
    from aligndetr.predictor import Predictor
    from aligndetr.runtime.detector import Detector

EXPORTED = {".onnx", ".xml", ".pt2"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of the command."""
    add_config_arguments(parser, others="images, folders, patterns, URLs or videos")
    add_trust_argument(parser)
    add_checkpoint_arguments(parser, default="the exported file that the first word names")
    predict_arguments.add_arguments(parser)
    add = parser.add_argument
    add("--precision", default="fp32", metavar="P", help="fp32, bf16 or fp16 (default: fp32)")
    add("--flip", action="store_true", help="look at the mirrored image, too")
    sizes = "look at these sizes, as 0.8,1,1.25"
    add("--scales", type=predict_arguments.words, default=["1"], metavar="S", help=sizes)


def run(args: argparse.Namespace) -> int:
    """Predict, and write it.

    Returns:
        1 when something could not be read, or a video broke off, else 0.

    Raises:
        UserError: nothing to read, or config, checkpoint, exported file or options are wrong.
    """
    from aligndetr.interop.download import fetch
    from aligndetr.runtime.predict import predict

    exported, inputs = _split(args)
    if exported is not None:
        _refuse_what_only_checkpoints_take(args, exported)
        return predict(args, inputs, partial(_detector, exported, args), fetch)
    if args.checkpoint is None:
        raise UserError("no model: give --checkpoint model.pth, or model.onnx as the first word")
    if args.provider is not None:
        raise UserError(f"--provider {args.provider}: a checkpoint computes on train.device=NAME")
    return predict(args, split_words(args).others, partial(_predictor, args), fetch)


def _split(args: argparse.Namespace) -> tuple[str | None, list[str]]:
    """The exported file, wherever it was named, and the words beside it."""
    words = list(args.words)
    if args.checkpoint is not None:
        is_exported = Path(args.checkpoint).suffix.lower() in EXPORTED
        return (args.checkpoint if is_exported else None), words
    if args.config_file is None and words and Path(words[0]).suffix.lower() in EXPORTED:
        return words[0], words[1:]
    return None, words


def _refuse_what_only_checkpoints_take(args: argparse.Namespace, exported: str) -> None:
    given = {
        "--config-file": args.config_file is not None,
        "--trust-config": args.trust_config,
        "--weights": args.weights is not None,
        "--precision": args.precision != "fp32",
        "--flip": args.flip,
        "--scales": args.scales != ["1"],
        **{word: is_override(word) for word in args.words},
    }
    wrong = [name for name, is_given in given.items() if is_given]
    if wrong:
        raise UserError(
            f"{exported} is fixed since it was exported: {', '.join(wrong)} can only be had with "
            "a checkpoint"
        )


def _detector(exported: str, args: argparse.Namespace) -> Detector:
    from aligndetr.export.runtimes import open_file
    from aligndetr.runtime import Detector

    return Detector(open_file(exported, args.provider), calibrated=args.calibrated)


def _predictor(args: argparse.Namespace) -> Predictor:
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
        optimise=True,
    )
