#!/usr/bin/env python
"""Draw the predictions of a COCO results json beside the ground truth."""

import argparse
import sys


def main() -> int:
    """Parse arguments and draw."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--input", required=True, help="results json (coco_instances_results.json)")
    parser.add_argument("--dataset", default="coco_2017_val", help="registered name, or a label")
    parser.add_argument("--json-file", help="annotation file of a dataset that is not registered")
    parser.add_argument("--image-root", help="its image folder")
    parser.add_argument("--output", required=True, help="folder for the pictures")
    parser.add_argument("--conf-threshold", type=float, default=0.5, help="default: %(default)s")
    parser.add_argument("--count", type=int, help="draw only the first images")
    args = parser.parse_args()

    from aligndetr.data import load_dataset
    from aligndetr.errors import UserError
    from aligndetr.visualization.json_results import draw_json_results

    try:
        dataset = load_dataset(args.dataset, args.json_file, args.image_root)
        paths = draw_json_results(args.input, dataset, args.output, args.conf_threshold, args.count)
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(f"{len(paths)} pictures in {args.output}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
