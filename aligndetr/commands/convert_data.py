"""Write a dataset in another form: COCO, YOLO or Pascal VOC.

Reads what training reads: COCO, YOLO, Pascal VOC, CSV, JSON lines, CrowdHuman,
VisDrone. Images are linked, or copied where that cannot be. What the new form
cannot hold is counted.
"""

from __future__ import annotations

import argparse

from aligndetr.errors import UserError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("input", metavar="IN", help="folder or annotation file")
    parser.add_argument("output", metavar="OUT", help="folder to write; must not exist")
    parser.add_argument("--to", choices=("coco", "yolo", "voc"), required=True, help="form")
    for part in ("val", "test"):
        parser.add_argument(
            f"--{part}",
            type=float,
            metavar="SHARE",
            help=f"take this share of data without {part} (of train, if divided), such as 0.2",
        )


def run(args: argparse.Namespace) -> int:
    """Convert, and print what was written and what was lost.

    Raises:
        UserError: the data cannot be read, divided or written.
    """
    from aligndetr.data.conversion import convert

    shares = {part: getattr(args, part) for part in ("val", "test") if getattr(args, part)}
    if sum(shares.values()) >= 1 or any(share < 0 for share in shares.values()):
        raise UserError("the shares of val and test must be above 0 and below 1 in sum")
    conversion = convert(args.input, args.output, args.to, shares)
    for split, (images, boxes) in conversion.sizes.items():
        print(f"{split}: {images} images, {boxes} boxes")
    for words, count in conversion.remarks.items():
        print(f"input: {count} {words}")
    for words, count in conversion.losses.items():
        if count:
            print(f"{args.to} cannot hold: {count} {words}")
    print(f"-> {args.output}")
    return 0
