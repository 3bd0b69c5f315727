"""Train a config and evaluate the result.

Everything lands in train.output_dir; where that holds another run, in NAME-2
beside it, unless --resume or --overwrite says what is to become of that run.
Ctrl-C and SIGTERM write a checkpoint, with which --resume goes on exactly where
it stopped. docs/training.md says more.
"""

from __future__ import annotations

import argparse
import sys

from aligndetr.commands.arguments import (
    add_config_arguments,
    add_launch_arguments,
    add_trust_argument,
    load_config,
    overrides_key,
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    add_config_arguments(parser)
    add_trust_argument(parser)
    used = parser.add_mutually_exclusive_group()
    used.add_argument("--resume", action="store_true", help="go on from the last checkpoint")
    used.add_argument(
        "--overwrite",
        action="store_true",
        help="remove the run that train.output_dir holds (default: write beside it, NAME-2)",
    )
    parser.add_argument(
        "--eval-only", action="store_true", help="evaluate train.init_checkpoint, train nothing"
    )
    add_launch_arguments(parser)
    parser.set_defaults(checkpoint=None, weights=None)


def run(args: argparse.Namespace) -> int:
    """Train, or only evaluate."""
    return launch_command(evaluate_here if args.eval_only else train_here, args)


def launch_command(main, args: argparse.Namespace) -> int:
    """Run `main(args)` in each process; the config is read here first, for its errors."""
    from aligndetr.engine.desync import timeout_of
    from aligndetr.engine.launch import launch
    from aligndetr.engine.sections import check_sections

    config = load_config(args)
    check_sections(config, ["train"])
    return launch(
        main,
        num_gpus=args.num_gpus,
        num_machines=args.num_machines,
        machine_rank=args.machine_rank,
        dist_url=args.dist_url,
        device=config.train.get("device", "auto"),
        args=(args,),
        timeout=timeout_of(config),
    )


def train_here(args: argparse.Namespace) -> int:
    """Train in this process."""
    from aligndetr.distributed import is_main
    from aligndetr.engine.run import TrainingInterrupted, train

    try:
        train(load_config(args), resume=args.resume, overwrite=args.overwrite)
    except TrainingInterrupted as interruption:
        if is_main():
            print(interruption, file=sys.stderr)
        return interruption.exit_code
    return 0


def evaluate_here(args: argparse.Namespace) -> int:
    """Evaluate in this process; only a `train.output_dir` of the command line says where to."""
    from aligndetr.engine.earlier_runs import KEY
    from aligndetr.engine.evaluation_folder import folder_of_checkpoint
    from aligndetr.engine.run import evaluate

    config = load_config(args)
    inside = None
    if not overrides_key(args, KEY):
        checkpoint = args.checkpoint or config.train.get("init_checkpoint") or ""
        inside = folder_of_checkpoint(checkpoint) or config.train.get("output_dir")
    evaluate(config, args.checkpoint, args.weights, inside)
    return 0
