#!/usr/bin/env python
"""Write pictures of what a config trains on, with boxes and class names.

    python tools/visualize_data.py --config-file aligndetr_tiny --output data/

draws images as the model gets them, after augmentation; `--source annotation`
draws them as they are in the dataset. Overrides follow:
`dataloader.train.dataset.names=shapes_val`.
"""

import argparse
import sys

from aligndetr.cli import guarded
from aligndetr.commands.arguments import (
    add_config_arguments,
    add_output_argument,
    add_trust_argument,
    load_config,
)


def main(words: list[str] | None = None) -> int:
    """Read the command line and draw."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add_config_arguments(parser)
    add_trust_argument(parser)
    parser.add_argument(
        "--source",
        choices=("dataloader", "annotation"),
        default="dataloader",
        help="as the model gets them (default), or as they are in the dataset",
    )
    add_output_argument(parser, "output/data", "--output-dir")
    parser.add_argument(
        "--num-images", type=int, default=20, metavar="N", help="default: %(default)s"
    )
    return guarded(lambda: run(parser.parse_intermixed_args(words)))


def run(args: argparse.Namespace) -> int:
    """Draw, and say where the pictures are."""
    from aligndetr.config import instantiate
    from aligndetr.visualization.training_data import draw_as_annotated, draw_as_loaded

    config = load_config(args).dataloader.train
    config.num_workers = 0
    batches = -(-args.num_images // config.total_batch_size)
    length = {"num_batches": batches} if config.get("stages") else {}  # all stages are shown
    loader = instantiate(config, **length)
    if args.source == "annotation":
        paths = draw_as_annotated(loader.dataset, args.output, args.num_images)
    else:
        form = config.mapper.get("image_format", "RGB")
        paths = draw_as_loaded(loader, args.output, args.num_images, form)
    print(f"{len(paths)} pictures in {args.output}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
