#!/usr/bin/env python
"""Train or evaluate a config with the arguments that detectron2 and detrex users know.

    python tools/train_net.py --config-file projects/align_detr/configs/aligndetr_tiny.py \\
        train.max_iter=100 dataloader.train.total_batch_size=4

`aligndetr train` and `aligndetr eval` do the same. The weights that `--eval-only` evaluates are
those of `train.init_checkpoint`.
"""

from __future__ import annotations

import argparse
import sys

from aligndetr.cli import guarded
from aligndetr.commands.arguments import add_config_arguments, load_config


def parse_arguments(words: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add_config_arguments(parser)
    parser.add_argument("--eval-only", action="store_true", help="evaluate, do not train")
    parser.add_argument("--resume", action="store_true", help="go on in train.output_dir")
    parser.add_argument("--num-gpus", type=int, default=1, help="processes on this machine")
    parser.add_argument("--num-machines", type=int, default=1)
    parser.add_argument("--machine-rank", type=int, default=0, help="this machine, from 0")
    parser.add_argument("--dist-url", default="auto", help="as init_process_group takes it")
    return parser.parse_intermixed_args(words)


def main(args: argparse.Namespace) -> None:
    """What every process does; each loads the config itself, since lambdas cannot be sent."""
    from aligndetr.engine.experiment import evaluate, train

    config = load_config(args)
    if args.eval_only:
        evaluate(config)
    else:
        train(config, resume=args.resume)


def launch_all(args: argparse.Namespace) -> int:
    """Start the processes."""
    from aligndetr.engine.launch import launch

    load_config(args)  # a mistake in it is reported once, before any process starts
    launch(
        main,
        args.num_gpus,
        num_machines=args.num_machines,
        machine_rank=args.machine_rank,
        dist_url=args.dist_url,
        args=(args,),
    )
    return 0


if __name__ == "__main__":
    arguments = parse_arguments()
    sys.exit(guarded(lambda: launch_all(arguments)))
