"""Write a dataset as tar shards, for data that is larger than a disk.

Reads what training reads. Webdataset's layout; train with
dataloader.train.dataset.path=OUT, or with the URL that OUT is copied to
(docs/datasets.md).
"""

from __future__ import annotations

import argparse

from aligndetr.errors import UserError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("input", metavar="DATA", help="folder or annotation file")
    parser.add_argument("output", metavar="OUT", help="folder to write; must not exist")
    parser.add_argument(
        "--shard-mb",
        type=float,
        default=256,
        metavar="MB",
        help="megabytes of a shard (default 256)",
    )


def run(args: argparse.Namespace) -> int:
    """Write the shards, and print what was written.

    Raises:
        UserError: the data cannot be read, or the shards cannot be written.
    """
    from aligndetr.data.conversion import convert

    if not args.shard_mb > 0:
        raise UserError(f"--shard-mb {args.shard_mb} is no size: give megabytes above 0")
    conversion = convert(args.input, args.output, "shards", shard_bytes=int(args.shard_mb * 1e6))
    for split, (images, boxes) in conversion.sizes.items():
        print(f"{split}: {images} images, {boxes} boxes")
    for words, count in conversion.remarks.items():
        print(f"input: {count} {words}")
    print(f"-> {args.output}")
    return 0
