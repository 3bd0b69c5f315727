#!/usr/bin/env python
"""Draw the predictions of a COCO results json beside the ground truth."""

import argparse
import sys

from aligndetr.cli import guarded
from aligndetr.commands.arguments import add_output_argument, add_threshold_argument


def main(words: list[str] | None = None) -> int:
    """Read the command line and draw."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--input", required=True, metavar="JSON", help="results (coco_instances_results.json)"
    )
    parser.add_argument(
        "--dataset",
        default="coco_2017_val",
        metavar="NAME",
        help="registered name, or a label (default: %(default)s)",
    )
    parser.add_argument(
        "--json-file", metavar="JSON", help="annotations of a dataset that is not registered"
    )
    parser.add_argument("--image-root", metavar="DIR", help="its image folder")
    add_output_argument(parser, "output/results")
    add_threshold_argument(parser, 0.5, "--conf-threshold")
    parser.add_argument("--num-images", type=int, metavar="N", help="draw only the first ones")
    return guarded(lambda: run(parser.parse_args(words)))


def run(args: argparse.Namespace) -> int:
    """Draw, and say where the pictures are."""
    from aligndetr.data import load_dataset
    from aligndetr.visualization.json_results import draw_json_results

    dataset = load_dataset(args.dataset, args.json_file, args.image_root)
    paths = draw_json_results(args.input, dataset, args.output, args.threshold, args.num_images)
    print(f"{len(paths)} pictures in {args.output}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
