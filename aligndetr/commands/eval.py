"""Evaluate a checkpoint on the config's test data.

    aligndetr eval --checkpoint model_final.pth

Prints COCO's numbers, and those of each class. Predictions, results, log and
config go to a folder of their own, which the first lines and the last one name:
eval-DATASET beside the checkpoint, or in train.output_dir where the checkpoint
is no file here. train.output_dir=DIR names another one. Nothing is overwritten:
where the folder holds results, NAME-2 beside it is taken.
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
