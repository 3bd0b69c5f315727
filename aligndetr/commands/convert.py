"""Convert a checkpoint between toolboxes.

Reads files of detrex, official AlignDETR, detectron2, torchvision,
IDEA-Research/DINO, Deformable-DETR, RT-DETR, mmdetection, Hugging Face or this
toolbox (recognised by their parameter names) and writes them under ours or
another's names. docs/checkpoints.md says what each conversion covers.
"""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from aligndetr.commands.arguments import (
    ConfigChoice,
    add_trust_argument,
    add_weights_argument,
    config_path,
)

if TYPE_CHECKING:
    from torch import nn


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("input", help="file, URL or detectron2:// name")
    parser.add_argument("output", help="file to write")
    layouts = ("ours", "detrex", "rtdetr", "huggingface-rtdetr")
    parser.add_argument("--to", choices=layouts, default="ours", help="names to write")
    parser.add_argument(
        "--config-file",
        metavar="CONFIG",
        help="check against this model and write exactly its keys",
    )
    add_trust_argument(parser)
    add_weights_argument(parser, default="model")
    parser.add_argument("--strict", action="store_true", help="an error if anything does not fit")
    parser.add_argument("overrides", nargs="*", help="key=value changes of the config")


def run(args: argparse.Namespace) -> int:
    """Convert and print the report."""
    from aligndetr.interop import convert_checkpoint

    model = _build_model(args) if args.config_file else None
    report = convert_checkpoint(
        args.input, args.output, args.to, model, strict=args.strict, weights=args.weights or "model"
    )
    print(report)
    print(f"-> {args.output}")
    return 0


def _build_model(args: argparse.Namespace) -> nn.Module:
    from aligndetr.config import LazyConfig
    from aligndetr.engine.model import load_model
    from aligndetr.interop.load import checkpoint_classes

    path = config_path(ConfigChoice(args.config_file))
    config = LazyConfig.load(path, trust_config=args.trust_config)
    LazyConfig.apply_overrides(config, args.overrides)
    if config.model.num_classes is None:  # left to the dataset, which plays no part here
        config.model.num_classes = checkpoint_classes(args.input, args.weights or "model")
    return load_model(config, None, device="cpu")
