"""Predict memory and time of a training, and propose how to train in less.

    aligndetr plan CONFIG [key=value ...] [--memory 8GB]

says how long the training is and what the data decides, as the log of a
training does. Then a few steps run, each size of the batch in a process of its
own: as configured, in bfloat16, with activation checkpointing, with both. The
table has the most memory that one process of the training has at once (on the
CPU without its loading processes), and the time of its steps (without
evaluation); below it is what to type. Nothing is written.

That is a dozen trials or so, each of which starts anew, reads the annotations,
draws 64 images and makes five steps. With the smallest model and data they take
a minute of one core; larger models, images and batches, and long lists of
annotations, take longer: mostly up to two minutes a trial, as what would take
more than one for its steps is predicted, not tried.
"""

from __future__ import annotations

import argparse
from functools import partial
from typing import TYPE_CHECKING

from aligndetr.commands.arguments import add_config_arguments, add_trust_argument, load_config

if TYPE_CHECKING:
    from aligndetr.engine.plan import Plan
    from aligndetr.engine.proposals import Proposal


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    add_config_arguments(parser)
    add_trust_argument(parser)
    parser.add_argument(
        "--memory",
        metavar="SIZE",
        help="to stay below, such as 8GB or 8G (default: what is free here)",
    )


def run(args: argparse.Namespace) -> int:
    """Print plan, table and proposal; 1 if nothing fits."""
    from aligndetr.engine.memory import free_memory, read_memory
    from aligndetr.engine.planning import plan_training
    from aligndetr.engine.proposals import best

    memory = read_memory(args.memory) if args.memory else None
    planning = plan_training(partial(load_config, args))
    print(f"{planning.plan.describe()}\n", flush=True)
    free = free_memory(planning.device)
    memory = free if memory is None else memory
    proposals = []
    print(format_header(), flush=True)
    for setting in planning.settings:
        for proposal in planning.propose(setting, memory, free):
            proposals.append(proposal)
            print(format_row(proposal, planning.plan), flush=True)
    chosen = best(proposals)
    print("\n" + format_choice(chosen, planning.plan, memory))
    return 0 if chosen else 1


def format_header() -> str:
    """Names of the columns."""
    return f"{'':<26}{'batch x parts':>14}{'peak memory':>22}{'training':>12}"


def format_row(proposal: Proposal, plan: Plan) -> str:
    """A line of the table."""
    batch = f"{proposal.batch_size} x {proposal.parts}"
    source = "measured" if proposal.is_measured else "predicted"
    peak = f"{proposal.peak / 1e9:.2f} GB {source}"
    time = format_duration(proposal.step_seconds * plan.max_iter)
    note = "" if proposal.fits else " *"
    return f"{proposal.setting.name:<26}{batch:>14}{peak:>22}{time:>12}{note}"


def format_choice(chosen: Proposal | None, plan: Plan, memory: int) -> str:
    """What to type.

    Args:
        chosen: of the proposals, None if nothing fits.
        plan: of the training as it is configured.
        memory: bytes that it may take.
    """
    limit = f"{memory / 1e9:.2f} GB"
    if chosen is None:
        return (
            f"* nothing fits {limit} with a tenth to spare, not even one image at a time: lower "
            "dataloader.image_size, or choose a smaller model (aligndetr configs)"
        )
    overrides = chosen.overrides(plan.accumulation_steps)
    typed = "\n  ".join(overrides) or "nothing: the config as it is"
    return f"the fastest that fits {limit} with a tenth to spare (* does not); type\n  {typed}"


def format_duration(seconds: float) -> str:
    """About how long, such as 45 s, 12 min or 3.5 h."""
    for unit, length, limit in (("s", 1, 60), ("min", 60, 3600), ("h", 3600, 48 * 3600)):
        if seconds < limit:
            return f"{seconds / length:.3g} {unit}"
    return f"{seconds / 86400:.3g} days"
