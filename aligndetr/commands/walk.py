"""`aligndetr walk`: one forward of a model, told step by step.

    aligndetr walk --config-file aligndetr_tiny --train
    aligndetr walk CONFIG --image street.jpg --depth 3 --html walk.html

Two small images run through the model on the CPU, the second a fifth smaller
than the first, so that padding is seen at work. They come from the config's
test dataset, or are drawn where it is not there; --image puts the same file in
twice, for --train with objects that are made up. Weights are random unless
--checkpoint names some. Every step shows

  what it takes, and after ">" what it gives: shapes in letters where these are
  certain, else as numbers, and the smallest and largest element;
  params: parameters, with everything inside it, shared ones once;
  time: share of the whole's time, with everything inside it, of one run after a
  first one;
  own: the same without the steps inside it;
  memory: share of the bytes of all tensors that its operations write, with
  everything inside it, temporary tensors included, also if they are freed at
  once; views cost nothing, and what an operation needs inside itself is not
  seen. It is traffic, not the peak.

Equal steps are told once, with the figures of all ("x 6"). --html and --json
hold all of them.
"""

from __future__ import annotations

import argparse
import copy
import json
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aligndetr.commands.arguments import (
    add_checkpoint_arguments,
    add_config_arguments,
    add_trust_argument,
    load_config,
    split_words,
)
from aligndetr.errors import UserError

if TYPE_CHECKING:
    from omegaconf import DictConfig
    from torch import nn

    from aligndetr.data.records import Record
    from aligndetr.explanation import Walk
_DATASET = "dataloader.test.dataset"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of the command."""
    add_config_arguments(parser)
    add_trust_argument(parser)
    add = parser.add_argument
    add("--image", metavar="FILE", type=Path, help="an image file instead of the dataset's")
    add("--train", action="store_true", help="training: denoising, matching and every loss")
    add_checkpoint_arguments(parser, default="random weights")
    size = "longer side of the first image (default: 272, or more where there would be fewer "
    add("--size", type=int, metavar="PIXELS", help=f"{size}tokens than queries)")
    add("--depth", type=int, default=2, metavar="N", help="levels to print (default: %(default)s)")
    add("--html", metavar="FILE", type=Path, help="write a page that folds")
    add("--json", metavar="FILE", type=Path, help="write all steps as data")


def run(args: argparse.Namespace) -> int:
    """Walk and print.

    Raises:
        UserError: config, image, weights or options are wrong.
    """
    from aligndetr.explanation import InterruptedWalk

    if args.depth < 0 or (args.size is not None and args.size < 32):
        raise UserError("--depth counts from 0, and --size is at least 32 pixels")
    config = load_config(args)
    if "model" not in config:
        raise UserError("this config has no model to walk through")
    options = (args.image, args.train, args.size, args.checkpoint, args.weights)
    try:
        result = walk_config(config, *options)
    except InterruptedWalk as stop:
        _report(stop.walk, args, "stopped by an error")
        raise (stop.__cause__ or stop) from None
    _report(result, args, "training" if args.train else "evaluation")
    return 0


def walk_config(
    config: DictConfig,
    image: Path | None = None,
    is_train: bool = False,
    size: int | None = None,
    checkpoint: str | None = None,
    weights: str | None = None,
) -> Walk:
    """Build the config's model and walk through it.

    Args:
        config: of an experiment; `model.num_classes` is filled in where it is None.
        image: a file instead of images of the dataset.
        is_train: whether to run the training forward.
        size: longer side in pixels; None: one with more tokens than queries.
        checkpoint, weights: see `load_model`; None leaves the weights random.

    Raises:
        UserError: image or checkpoint are wrong.
    """
    import torch
    from omegaconf import OmegaConf

    from aligndetr.engine.model import load_model
    from aligndetr.explanation import walk
    from aligndetr.explanation import walk_example_images as example_images

    with tempfile.TemporaryDirectory() as folder:
        node = OmegaConf.select(config, _DATASET)
        records, num_classes = example_images.records_of_dataset(node, folder)
        records = records if image is None else example_images.records_of_file(image)
        if OmegaConf.select(config, "model.num_classes", default=0) is None:
            config.model.num_classes = num_classes
        bare = copy.deepcopy(config)  # asking its data for class names would draw the demo set
        OmegaConf.update(bare, _DATASET, None, force_add=True)
        torch.manual_seed(0)
        model = load_model(bare, checkpoint, None, weights, "cpu").train(is_train)
        items = _items(config, model, records, getattr(model, "num_classes", num_classes), size)
    also = [name for name in ("preprocess", "targets") if hasattr(model, name)]
    for _ in range(2):  # the first one warms up
        torch.manual_seed(0)
        result = walk(model, items, also=also)
    return result


def _items(
    config: DictConfig, model: nn.Module, records: list[Record], num_classes: int, size: int | None
) -> list[dict[str, Any]]:
    """A batch with more tokens than queries and not as many images as layers, see `Letters`."""
    from omegaconf import OmegaConf

    from aligndetr.explanation import walk_example_images as example_images
    from aligndetr.explanation.walk_shape_letters import num_layers

    image_format = OmegaConf.select(config, "dataloader.test.mapper.image_format") or "RGB"
    if size is None:
        more = OmegaConf.select(config, "model.query_source.num_one_to_many") or 0
        strides = getattr(getattr(model, "backbone", None), "strides", {})
        fewest = getattr(model, "num_queries", 0) + more
        size = example_images.size_for(fewest, list(strides.values()))
    chosen = example_images.choose(records, 5 if num_layers(model) in (1, 2) else 2, num_classes)
    options = {"image_format": image_format, "is_train": model.training}
    return example_images.batch(chosen, size, num_classes, **options)


def _report(result: Walk, args: argparse.Namespace, mode: str) -> None:
    from aligndetr.explanation.walk_formatting import memory, seconds
    from aligndetr.explanation.walk_page import walk_page
    from aligndetr.explanation.walk_text import lines, print_lines
    from aligndetr.files import atomic_write

    title = f"{Path(split_words(args).config or args.checkpoint).stem}, {mode}"
    written = {args.html: walk_page(result, title)} if args.html else {}
    written |= {args.json: json.dumps(result.to_dict())} if args.json else {}
    for path, text in written.items():
        with atomic_write(path) as file:
            file.write(text)
    print(f"{title}: {seconds(result.root.seconds)}, {memory(result.root.num_bytes)} written")
    print_lines(lines(result, args.depth))
    for path in written:
        print(f"wrote {path}")
