"""Evaluate a checkpoint on the config's test data.

    aligndetr eval --checkpoint model_final.pth

Prints COCO's numbers, and those of each class; writes predictions and results
to train.output_dir.
"""

from __future__ import annotations

import argparse

from aligndetr.commands.arguments import (
    add_checkpoint_arguments,
    add_config_arguments,
    add_launch_arguments,
    add_trust_argument,
)
from aligndetr.commands.train import evaluate_here, launch_command


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    add_config_arguments(parser)
    add_trust_argument(parser)
    add_checkpoint_arguments(parser, default="train.init_checkpoint")
    add_launch_arguments(parser)


def run(args: argparse.Namespace) -> int:
    """Evaluate."""
    return launch_command(evaluate_here, args)
