"""`aligndetr compare`: runs of several methods side by side.

    aligndetr compare DINO='output/dino_seed*' AlignDETR='output/align_seed*'

Each argument is a method: a run's folder, a folder of runs, or a quoted
pattern; its runs are the seeds. Numbers are those of the last evaluation: mean
and sample standard deviation over the runs, then differences to the first
method, taken seed by seed, with p of the paired t-test: by itself, and with
Holm's correction for all rows ("p of all").
"""

from __future__ import annotations

import argparse
import math
import textwrap
from pathlib import Path
from typing import Any

from aligndetr.commands.arguments import add_output_argument

PICTURE = "comparison.png"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of the command."""
    parser.add_argument("runs", nargs="+", metavar="[NAME=]RUNS", help="the runs of one method")
    parser.add_argument(
        "--tasks",
        nargs="+",
        default=["bbox", "alignment"],
        metavar="TASK",
        help="default: bbox alignment",
    )
    parser.add_argument("--plot", default="bbox/AP", metavar="METRIC", help="default: %(default)s")
    parser.add_argument(
        "--difference",
        type=float,
        default=0.5,
        metavar="D",
        help="say how many seeds would find such a difference of --plot (default: %(default)s)",
    )
    parser.add_argument(
        "--bootstrap",
        action="store_true",
        help="also draw the images again: intervals of AP from the runs' stored predictions",
    )
    add_output_argument(parser, default="comparison")


def run(args: argparse.Namespace) -> int:
    """Print the tables and draw the plot.

    Raises:
        UserError: an argument names no runs, none recorded a metric of the tasks or that of
            --plot, predictions are missing, or a number cannot be meant.
    """
    from aligndetr.errors import UserError, did_you_mean
    from aligndetr.evaluation.comparison import common_metrics, read_method
    from aligndetr.visualization.comparison import plot_methods

    if not 0 < args.difference < math.inf:
        raise UserError(f"--difference={args.difference:g} must be a positive number")
    methods = [read_method(argument) for argument in args.runs]
    metrics = common_metrics(methods, args.tasks)
    if not metrics:
        raise UserError(f"no run has metrics of {', '.join(args.tasks)}; were they evaluated?")
    known = {name for method in methods for run in method.runs for name in run.metrics}
    if args.plot not in known:
        raise UserError(f"no run has the metric {args.plot}{did_you_mean(args.plot, known)}")
    print(format_comparison(methods, metrics, args.plot, args.difference))
    if args.bootstrap:
        print("\n" + format_image_intervals(methods))
    picture = Path(args.output) / PICTURE
    plot_methods(methods, args.plot, picture)
    print(f"curves in {picture}")
    return 0


def format_comparison(
    methods: list[Any], metrics: list[str], metric: str = "bbox/AP", difference: float = 0.5
) -> str:
    """Blocks of text: values, differences to the first method, and what is unequal besides.

    Args:
        methods: that are compared.
        metrics: rows of the tables.
        metric: for which the number of seeds is stated that `difference` takes to be found.
        difference: see `metric`.
    """
    from aligndetr.evaluation.comparison import describe_lengths, spread

    first, *others = methods
    rows = [["", *(f"{method.name} (n={len(method.runs)})" for method in methods)]]
    for name in metrics:
        rows.append([name, *(spread(method.finals(name)) for method in methods)])
    parts = [_aligned(rows), *_differences(first, others, metrics)]
    parts += [_seeds(first, other, metric, difference) for other in others]
    note = describe_lengths(methods)
    if note:
        parts.append("\n".join(textwrap.wrap(f"note: {note}", 80)))
    return "\n\n".join(part for part in parts if part)


def _differences(first: Any, others: list[Any], metrics: list[str]) -> list[str]:
    """A table for each method; "p of all" is corrected for the rows of all tables."""
    from aligndetr.analysis.significance import holm, p_value
    from aligndetr.evaluation.comparison import paired_difference, spread

    found = [(o, name, paired_difference(first, o, name)) for o in others for name in metrics]
    chances = [p_value(difference.values) for _, _, difference in found]
    rows: dict[str, list[list[str]]] = {other.name: [] for other in others}
    for (other, name, difference), *both in zip(found, chances, holm(chances), strict=True):
        if difference.seeds:
            above = f"{(difference.values > 0).sum()} of {len(difference.seeds)} seeds above"
            rows[other.name].append([name, spread(difference.values), above, *map(_chance, both)])
    heading = ["", "difference", "", "p", "p of all"]
    return [
        f"{name} minus {first.name}, at equal seeds"
        + (f"\n{_aligned([heading, *table])}" if table else ": no seeds in common")
        for name, table in rows.items()
    ]


def _chance(p: float) -> str:
    return "-" if math.isnan(p) else f"{p:.3f}"


def _seeds(first: Any, other: Any, metric: str, difference: float) -> str:
    """How many seeds a difference takes to be found; nothing where the spread is not known."""
    from aligndetr.analysis.significance import MOST_SEEDS, seeds_needed
    from aligndetr.evaluation.comparison import paired_difference

    values = paired_difference(first, other, metric).values
    if len(values) < 2:
        return ""
    needed = seeds_needed(values.std(ddof=1), difference)
    more = f"more than {MOST_SEEDS}" if needed is None else f"{needed}"
    text = (
        f"To find a difference of {difference:g} in {metric} between {other.name} and {first.name} "
        f"(p < 0.05, in 80 % of such studies) takes {more} seeds; there are {len(values)}."
    )
    return "\n".join(textwrap.wrap(text, 80))


def format_image_intervals(methods: list[Any]) -> str:
    """The difference of AP to the first method, with seeds and images drawn again.

    Raises:
        UserError: runs have no predictions, or of other images.
    """
    from aligndetr.analysis.significance import image_interval
    from aligndetr.errors import UserError

    first, *others = methods
    lines = ["AP minus that of the first, 95 % interval with seeds and images drawn again"]
    for other in others:
        mine, theirs = ({run.seed: run for run in method.runs} for method in (first, other))
        seeds = sorted(seed for seed in mine.keys() & theirs.keys() if seed is not None)
        if not seeds:
            raise UserError(f"{other.name} and {first.name} have no seeds in common")
        pairs = [(_matches(mine[seed]), _matches(theirs[seed])) for seed in seeds]
        try:
            found = image_interval(pairs)
        except ValueError as error:
            raise UserError(f"{other.name} and {first.name}: {error}") from error
        lines.append(f"{other.name}  {found.value:+.2f}, {found.low:+.2f} to {found.high:+.2f}")
    return "\n".join(lines)


def _matches(run: Any) -> Any:
    """Of a run's stored predictions with the test data of its config."""
    from aligndetr.analysis.stored import dataset_of_run, matches_of_run

    return matches_of_run(run.folder, dataset_of_run(run.folder))


def _aligned(rows: list[list[str]]) -> str:
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = []
    for first, *others in rows:
        cells = [text.rjust(width) for text, width in zip(others, widths[1:], strict=True)]
        lines.append("  ".join([first.ljust(widths[0]), *cells]))
    return "\n".join(lines)
