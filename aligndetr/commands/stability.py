"""How stable a model is: its matching, and its results when images are padded.

    aligndetr stability output/run/model_0000999.pth output/run/model_final.pth
    aligndetr stability output/run/model_final.pth --padding 1.5

The table has a line a checkpoint: the percent of the objects that another query
answers for than in the layer before, layer by layer, and in the last layer than
with the checkpoint before. `--padding F` also detects in every image beside a
black one F times as wide and high, and says what that changes.

Images are the first ones of the config's test data; the config is the one in
the first checkpoint.
"""

from __future__ import annotations

import argparse
import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aligndetr.commands.arguments import (
    add_threshold_argument,
    add_trust_argument,
    add_weights_argument,
    is_override,
)

if TYPE_CHECKING:
    from omegaconf import DictConfig

    from aligndetr.explanation.matching import Matching
    from aligndetr.explanation.padding import PaddedResults

MOST_NAME = 24


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    add = parser.add_argument
    add("words", nargs="+", metavar="CHECKPOINT", help="weights in their order; and key=value")
    add("--config-file", metavar="CONFIG", help="instead of the one in the first checkpoint")
    add_trust_argument(parser)
    add_weights_argument(parser, "train.best.weights, and that: ema if there is one")
    add("--num-images", type=int, default=500, metavar="N", help="how many (default: %(default)s)")
    add("--padding", type=float, metavar="F", help="detect beside larger images, too; F >= 1")
    add_threshold_argument(parser, 0.3, only="with --padding: ")


def run(args: argparse.Namespace) -> int:
    """Print the tables.

    Raises:
        UserError: there is no checkpoint or no image, or config, data or checkpoints are wrong.
    """
    from aligndetr.engine.loaders_from_config import build_validation_loader, load_dataset
    from aligndetr.engine.model import load_model
    from aligndetr.errors import UserError
    from aligndetr.explanation.matching import first_images, match_objects

    checkpoints = [word for word in args.words if not is_override(word)]
    if not checkpoints or args.num_images < 1:
        raise UserError("nothing to look at: name a checkpoint, and one image at least")
    config = _config(args, checkpoints[0])
    dataset = load_dataset(config, "test")
    loader = build_validation_loader(config, dataset)
    matchings, model = {}, None
    for place, path in enumerate(checkpoints):
        model = load_model(config, path, dataset.class_names, args.weights)
        name = f"{place + 1} {Path(path).stem}"
        matchings[name] = match_objects(model, first_images(loader, args.num_images))
    print("\n".join(format_matchings(matchings, dataset.name)))
    if args.padding is not None:
        print("\n" + "\n".join(_padding(args, config, model, dataset)))
    return 0


def _config(args: argparse.Namespace, checkpoint: str) -> DictConfig:
    from aligndetr.commands.arguments import ConfigChoice, config_path
    from aligndetr.config import LazyConfig
    from aligndetr.engine.stored_config import stored_config

    if args.config_file:
        path = config_path(ConfigChoice(args.config_file))
        config = LazyConfig.load(path, trust_config=args.trust_config)
    else:
        config = stored_config(checkpoint, args.trust_config)
    return LazyConfig.apply_overrides(config, [w for w in args.words if is_override(w)])


def format_matchings(matchings: dict[str, Matching], data: str) -> list[str]:
    """A line a checkpoint: changes from layer to layer, and since the one before.

    Args:
        matchings: by the name of the checkpoint, in their order.
        data: name of the dataset.
    """
    from aligndetr.evaluation.report import text_table

    found = list(matchings.values())
    layers = list(found[0].layer_changes())
    rows = []
    for place, (name, matching) in enumerate(matchings.items()):
        figures = list(matching.layer_changes().values())
        since = [matching.changes_since(found[place - 1])] if place else [float("nan")]
        shown = name if len(name) <= MOST_NAME else f"{name[: MOST_NAME - 1]}…"
        rows.append([shown, *map(_number, figures + since)])
    headings = ["checkpoint", *(name.removeprefix("layer ") for name in layers), "since before"]
    sides = ["left", *["right"] * (len(headings) - 1)]
    images = len(set(found[0].objects[:, 0].tolist()))
    text = (
        f"Objects that change their query, in % of {len(found[0].objects)} in {images} images of "
        f"{data}: in each decoder layer against the layer before, and in the last one since the "
        "checkpoint before"
    )
    return [*textwrap.wrap(text, 80), *text_table(list(zip(headings, sides, strict=True)), rows)]


def _padding(args: argparse.Namespace, config: DictConfig, model: Any, dataset: Any) -> list[str]:
    from aligndetr.analysis.stored import objects_of
    from aligndetr.engine.loaders_from_config import build_test_loader
    from aligndetr.explanation.matching import first_images
    from aligndetr.explanation.padding import detect_padded

    batches = first_images(build_test_loader(config, dataset), args.num_images)
    results = detect_padded(model, batches, args.padding)
    truth = objects_of(dataset)
    for part, key in (("images", "id"), ("annotations", "image_id")):
        truth[part] = [entry for entry in truth[part] if entry[key] in results.alone]
    return format_padding(results, truth, dataset.category_ids, args.padding, args.threshold)


def format_padding(
    results: PaddedResults,
    truth: dict[str, list[dict]],
    category_ids: Sequence[int],
    factor: float,
    threshold: float,
) -> list[str]:
    """COCO's numbers alone and padded, and how far detections move.

    Args:
        results: of the last checkpoint.
        truth: see `evaluation.ground_truth`.
        category_ids: of the classes, in their order.
        factor, threshold: see the arguments of the command.
    """
    import numpy as np

    from aligndetr.evaluation.coco import coco_annotations, coco_metrics
    from aligndetr.evaluation.report import text_table

    names = [category["name"] for category in truth["categories"]]
    shown, rows = ("AP", "AP50", "AP75", "AR100"), []
    for title, found in (("alone", results.alone), ("padded", results.padded)):
        metrics = coco_metrics(truth, coco_annotations(found, category_ids), names)
        rows.append([title, *(f"{metrics[name]:.2f}" for name in shown)])
    headings = [("images", "left"), *((name, "right") for name in shown)]
    lines = [
        f"{len(results.alone)} images alone, and each beside one {factor:g} times as wide and high",
        *text_table(headings, rows),
    ]
    overlap, change = results.moves(threshold)
    if not len(overlap):
        return [*lines, f"no detection has a score of {threshold:g}: nothing to compare"]
    moved, least = (np.percentile(overlap, share) for share in (5, 0))
    return [
        *lines,
        f"{len(overlap)} detections with a score of {threshold:g}, beside the nearest of the class",
        f"  IoU    mean {overlap.mean():.4f}, 95 % above {moved:.4f}, none below {least:.4f}",
        f"  score  moved by {change.mean():.4f} on average, 95 % by less than "
        f"{np.percentile(change, 95):.4f}, none over {change.max():.4f}",
    ]


def _number(value: float) -> str:
    return "-" if value != value else f"{value:.1f}"
