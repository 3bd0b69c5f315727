"""What `predict` takes, whoever detects."""

from __future__ import annotations

import argparse


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments that `predict.predict` reads."""
    _add_output_arguments(parser)
    _add_choice_arguments(parser)
    _add_looking_arguments(parser)


def words(text: str) -> list[str]:
    """Those that commas separate."""
    return [word.strip() for word in text.split(",") if word.strip()]


def _add_output_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--output", default="predictions", metavar="DIR", help="folder (default: %(default)s)")
    add(
        "--save",
        type=words,
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
    add("--classes", type=words, metavar="NAMES", help="leave out others; separated by commas")
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
    add("--tile", type=int, metavar="PIXELS", help="look at squares of this side, and at the whole")
    add("--overlap", type=float, default=0.2, metavar="SHARE", help="of neighbours (default: 0.2)")
    add("--stride", type=int, default=1, metavar="N", help="of videos, take each N-th frame")
    add("--provider", metavar="NAME", help="what the runtime computes with (default: its CPU)")
