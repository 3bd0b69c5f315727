#!/usr/bin/env python
"""Print a model's structure and what it costs: parameters, multiply-adds, activations."""

import argparse
import sys

TASKS = ("parameter", "flop", "activation", "structure")


def main() -> int:
    """Parse arguments, build the model, print."""
    from aligndetr.commands.arguments import add_config_arguments, load_config
    from aligndetr.errors import UserError

    parser = argparse.ArgumentParser(description=__doc__)
    add_config_arguments(parser)
    parser.add_argument("--tasks", nargs="+", choices=TASKS, default=["parameter", "flop"])
    parser.add_argument(
        "--size", nargs=2, type=int, default=[800, 1216], metavar=("H", "W"),
        help="of the random image, in pixels (default: 800 1216)",
    )  # fmt: skip
    parser.add_argument("--depth", type=int, default=2, help="levels of modules (default: 2)")
    args = parser.parse_intermixed_args()
    try:
        config = load_config(args)
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    report(config, args)
    return 0


def report(config, args: argparse.Namespace) -> None:
    """Print what `--tasks` asks for; where the data says the number of classes, it is 80."""
    from aligndetr.config import instantiate
    from aligndetr.evaluation import complexity

    if config.model.get("num_classes", 0) is None:
        config.model.num_classes = 80
    model, size = instantiate(config.model), tuple(args.size)
    if "structure" in args.tasks:
        print(model)
    columns = {}
    if "parameter" in args.tasks:
        columns["parameters"] = complexity.parameter_counts(model)
    if "flop" in args.tasks:
        columns["multiply-adds"] = complexity.flop_counts(model, size)
    if "activation" in args.tasks:
        columns["activations"] = complexity.activation_counts(model, size)
    if columns:
        print(complexity.cost_table(columns, args.depth))


if __name__ == "__main__":
    sys.exit(main())
