#!/usr/bin/env python
"""Print what a model costs: parameters, multiply-adds, activations."""

import argparse
import sys

from aligndetr.cli import guarded
from aligndetr.commands.arguments import (
    add_config_arguments,
    add_trust_argument,
    load_config,
)


def main(words: list[str] | None = None) -> int:
    """Read the command line and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    add_config_arguments(parser)
    add_trust_argument(parser)
    tasks = ("parameter", "flop", "activation", "structure")
    parser.add_argument(
        "--tasks",
        nargs="+",
        choices=tasks,
        default=["parameter", "flop"],
        metavar="TASK",
        help=f"any of {', '.join(tasks)} (default: parameter flop)",
    )
    parser.add_argument(
        "--image-size",
        nargs=2,
        type=int,
        default=[800, 1216],
        metavar=("H", "W"),
        help="of the random image, in pixels (default: 800 1216)",
    )
    parser.add_argument(
        "--depth", type=int, default=2, metavar="N", help="levels of modules (default: %(default)s)"
    )
    return guarded(lambda: run(parser.parse_intermixed_args(words)))


def run(args: argparse.Namespace) -> int:
    """Print what `--tasks` asks for."""
    from aligndetr.engine.model import load_model
    from aligndetr.evaluation.complexity import describe_costs

    config = load_config(args)
    if config.model.get("num_classes", 0) is None:  # left to the dataset, which plays no part here
        config.model.num_classes = 80
    model = load_model(config, None, device="cpu")
    print(describe_costs(model, args.tasks, tuple(args.image_size), args.depth))
    return 0


if __name__ == "__main__":
    sys.exit(main())
