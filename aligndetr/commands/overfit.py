"""Train on one batch again and again: a model that cannot learn it learns nothing.

    aligndetr overfit CONFIG [key=value ...]

prints each loss before and after, by kind and layer. The total must fall below
a floor, else the exit code is 1, and the parts that do not learn are named:
losses that stay up, and modules without gradient or with a vanishing one.
Nothing is written.
"""

from __future__ import annotations

import argparse
from typing import Any

from aligndetr.commands.arguments import add_config_arguments, load_config

MOST_NAMES = 6


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of the command."""
    add_config_arguments(parser)
    add = parser.add_argument
    add("--batches", type=int, default=1, metavar="N", help="default: %(default)s")
    add("--steps", type=int, default=300, metavar="N", help="default: %(default)s")
    add(
        "--floor",
        type=float,
        default=0.3,
        metavar="PART",
        help="of the first total loss, below which it must fall (default: %(default)s)",
    )


def run(args: argparse.Namespace) -> int:
    """Train and print; 1 if the loss stayed above the floor."""
    from aligndetr.engine.overfitting import overfit

    outcome = overfit(load_config(args), args.batches, args.steps, args.floor)
    print(format_outcome(outcome, args.steps))
    return 0 if outcome.passed else 1


def format_outcome(outcome: Any, steps: int) -> str:
    """A table of losses by layer and kind, and the verdict in sentences.

    Args:
        outcome: an `engine.overfitting.Overfitting`.
        steps: how long it took.
    """
    what = f"{outcome.num_images} images with {outcome.num_objects} objects, {steps} steps"
    total = f"{outcome.first['total_loss']:.4g} -> {outcome.last['total_loss']:.4g}"
    word = "below" if outcome.passed else "NOT below"
    verdict = f"total loss {total}: {outcome.fallen_to:.2f} of the first, {word} {outcome.floor:g}"
    lines = [what, "", *_table(outcome), "", verdict]
    if not outcome.passed:
        lines.append(f"losses above the floor, the largest first: {_some(outcome.stuck())}")
    return "\n".join([*lines, *_causes(outcome)])


def _causes(outcome: Any) -> list[str]:
    """Why the losses are as they are, as far as it shows; nothing else does at a rate of 0."""
    if outcome.rate == 0:
        return ["the learning rate was 0 in every step, so that nothing could learn: optimizer.lr"]
    lines = [
        f"{kind} gradient in any step: {_some(names)}"
        for kind, names in (("no", outcome.still), ("a vanishing", outcome.vanishing))
        if names
    ]
    if not outcome.passed and not lines:
        lines.append("every trained part has a gradient: try more --steps or another optimizer.lr")
    return lines


def _table(outcome: Any) -> list[str]:
    """First and last value of each loss: a line a layer, a column a kind."""
    from aligndetr.criterions.loss_weights import term_and_layer

    rows: dict[str, dict[str, str]] = {}
    for name, first in outcome.first.items():
        if name == "total_loss":
            continue
        kind, layer = term_and_layer(name)
        change = f"{first:.3g} -> {outcome.last[name]:.3g}"
        rows.setdefault(layer or "last", {})[kind] = change
    kinds = list(dict.fromkeys(kind for row in rows.values() for kind in row))
    lines = ["layer     " + "".join(f"{kind:<20}" for kind in kinds)]
    lines += [
        f"{layer:<10}" + "".join(f"{row.get(kind, '-'):<20}" for kind in kinds)
        for layer, row in rows.items()
    ]
    return [line.rstrip() for line in lines]


def _some(names: list[str]) -> str:
    more = f" and {len(names) - MOST_NAMES} more" if len(names) > MOST_NAMES else ""
    return ", ".join(names[:MOST_NAMES]) + more
