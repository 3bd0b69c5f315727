"""`aligndetr compare`: runs of several methods side by side.

    aligndetr compare DINO='output/dino_seed*' AlignDETR='output/align_seed*'

Each argument is a method: a run's folder, a folder of runs, or a quoted
pattern; its runs are the seeds. Numbers are those of the last evaluation: mean
and sample standard deviation over the runs, then differences to the first
method, taken seed by seed.
"""

from __future__ import annotations

import argparse
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
    add_output_argument(parser, default="comparison")


def run(args: argparse.Namespace) -> int:
    """Print the table and draw the plot.

    Raises:
        UserError: an argument names no runs, or none recorded a metric of the tasks.
    """
    from aligndetr.errors import UserError
    from aligndetr.evaluation.comparison import common_metrics, read_method
    from aligndetr.visualization.comparison import plot_methods

    methods = [read_method(argument) for argument in args.runs]
    metrics = common_metrics(methods, args.tasks)
    if not metrics:
        raise UserError(f"no run has metrics of {', '.join(args.tasks)}; were they evaluated?")
    print(format_comparison(methods, metrics))
    picture = Path(args.output) / PICTURE
    plot_methods(methods, args.plot, picture)
    print(f"curves in {picture}")
    return 0


def format_comparison(methods: list[Any], metrics: list[str]) -> str:
    """Blocks of text: values, differences to the first method, and what is unequal besides."""
    from aligndetr.evaluation.comparison import describe_lengths, paired_difference, spread

    first, *others = methods
    rows = [["", *(f"{method.name} (n={len(method.runs)})" for method in methods)]]
    for metric in metrics:
        rows.append([metric, *(spread(method.finals(metric)) for method in methods)])
    parts = [_aligned(rows)]
    for other in others:
        rows = []
        for metric in metrics:
            difference = paired_difference(first, other, metric)
            if difference.seeds:
                signs = f"{(difference.values > 0).sum()} of {len(difference.seeds)} seeds above"
                rows.append([metric, spread(difference.values), signs])
        title = f"{other.name} minus {first.name}, at equal seeds"
        parts.append(f"{title}\n{_aligned(rows)}" if rows else f"{title}: no seeds in common")
    note = describe_lengths(methods)
    if note:
        parts.append("\n".join(textwrap.wrap(f"note: {note}", 80)))
    return "\n\n".join(parts)


def _aligned(rows: list[list[str]]) -> str:
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = []
    for first, *others in rows:
        cells = [text.rjust(width) for text, width in zip(others, widths[1:], strict=True)]
        lines.append("  ".join([first.ljust(widths[0]), *cells]))
    return "\n".join(lines)
