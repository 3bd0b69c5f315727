"""List the runs below a folder with their key figures.

    aligndetr runs output --sort AP --where optimizer.lr=1e-4

AP, AP50 and loss are the last recorded ones, best is the highest AP; time is
that of the steps, without evaluations. A run that still trains, or whose files
are damaged, is shown with what there is.

    aligndetr runs output/tiny --losses

prints how much of the objective each loss is, at the start and at the end.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from aligndetr.engine.loss_balance import LossBalance
    from aligndetr.evaluation.runs import ListedRun

COLUMNS = ("run", "iter", "AP", "AP50", "best", "loss", "seed", "time", "state")
LEFT = ("run", "state")
FIRST_TO_GO = ("AP50", "seed")  # where names have no room
WIDTH, MARGIN, GAP, LEAST_NAME = 80, 2, 2, 12
TERMS = 4  # columns of losses side by side
HIGH_FIRST = ("iter", "AP", "AP50", "best")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of the command."""
    add = parser.add_argument
    add("folder", metavar="DIR", help="of a run, or of runs at any depth")
    add(
        "--sort",
        metavar="KEY",
        default="run",
        help="a column, a metric such as bbox/AP75, or a key of the config: AP, AR and iter with "
        "the highest first, all else with the smallest (default: %(default)s)",
    )
    add(
        "--where",
        metavar="TEXT",
        action="append",
        default=[],
        help="only runs with this text in their name, or key=value, with a KEY as above; "
        "more than one: all of them",
    )
    add("--losses", action="store_true", help="print how the loss of each run is made up instead")


def run(args: argparse.Namespace) -> int:
    """Print the table.

    Raises:
        UserError: there are no runs, none fits, or none has a key.
    """
    from aligndetr.errors import UserError
    from aligndetr.evaluation.runs import find_runs

    runs = find_runs(args.folder)
    chosen = runs
    for condition in args.where:
        chosen = [run for run in chosen if _fits(run, condition, runs)]
    if not chosen:
        raise UserError(f"none of the {len(runs)} runs has {' and '.join(args.where)}")
    chosen = in_order(chosen, args.sort)
    lines = format_runs(chosen) if not args.losses else _losses(chosen)
    print("\n".join(lines))
    return 0


def _fits(run: ListedRun, condition: str, runs: Sequence[ListedRun]) -> bool:
    key, equals, wanted = condition.partition("=")
    if not equals or any(condition in other.name for other in runs):
        return condition in run.name
    if wanted != "null":
        _check_key(key, runs)
    value = run.value(key)
    try:
        return float(value) == float(wanted)
    except (TypeError, ValueError):
        text = "null" if value is None else str(value)
        return text.lower() == wanted.lower()


def _check_key(key: str, runs: Sequence[ListedRun]) -> None:
    from aligndetr.errors import UserError

    if key not in COLUMNS and all(run.value(key) is None for run in runs):
        raise UserError(
            f"no run has {key!r}; give a column ({', '.join(COLUMNS)}), a metric such as "
            "bbox/AP75, or a key of the config"
        )


def in_order(runs: Sequence[ListedRun], key: str) -> list[ListedRun]:
    """Runs by a key, see the help of `--sort`; those without it come last.

    Raises:
        UserError: none has it.
    """
    _check_key(key, runs)
    have = [run for run in runs if run.value(key) is not None]
    values = [run.value(key) for run in have]
    numbers = all(isinstance(value, int | float) for value in values)
    falling = numbers and (key in HIGH_FIRST or "/AP" in key or "/AR" in key)
    have.sort(key=lambda run: run.value(key) if numbers else str(run.value(key)), reverse=falling)
    return have + [run for run in runs if run.value(key) is None]


def format_runs(runs: Sequence[ListedRun]) -> list[str]:
    """Lines of the table; a long name goes on below itself."""
    from aligndetr.evaluation.report import text_table

    cells = [dict(zip(COLUMNS, _cells(run), strict=True)) for run in runs]
    widths = {name: max(len(name), *(len(row[name]) for row in cells)) for name in COLUMNS}
    columns = list(COLUMNS)
    for name in FIRST_TO_GO:
        if _room(columns, widths) < LEAST_NAME:
            columns.remove(name)
    room = _room(columns, widths)
    rows = []
    for row in cells:
        first, *more = [row["run"][at : at + room] for at in range(0, len(row["run"]), room)]
        rows.append([first, *(row[name] for name in columns[1:])])
        rows += [[part, *[""] * (len(columns) - 1)] for part in more]
    headings = [(name, "left" if name in LEFT else "right") for name in columns]
    return text_table(headings, rows)


def _room(columns: Sequence[str], widths: Mapping[str, int]) -> int:
    """What the other columns leave for the name."""
    return max(1, WIDTH - MARGIN - sum(widths[name] + GAP for name in columns[1:]))


def _cells(run: ListedRun) -> list[str]:
    seed, loss = run.value("seed"), run.value("loss")
    planned = "?" if run.planned is None else run.planned
    return [
        run.name,
        f"{run.iterations}/{planned}",
        *(_number(run.value(name)) for name in ("AP", "AP50", "best")),
        "-" if loss is None else f"{loss:.4g}",
        "-" if seed is None else str(seed),
        _hours(run.value("time")),
        run.state,
    ]


def _number(value: object) -> str:
    return "-" if value is None else f"{value:.1f}"


def _hours(seconds: float | None) -> str:
    if seconds is None:
        return "-"
    minutes, seconds = divmod(round(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02}:{seconds:02}"


def _losses(runs: Sequence[ListedRun]) -> list[str]:
    from aligndetr.engine.loss_balance import loss_balance
    from aligndetr.errors import DataError

    lines = []
    for run in runs:
        try:
            lines += [run.name, *format_balance(loss_balance(run.metrics)), ""]
        except DataError as error:
            lines += [f"{run.name}: {error}", ""]
    return lines[:-1]


def format_balance(balance: LossBalance) -> list[str]:
    """Percent of the objective at the start and at the end: a line a layer, a column a term."""
    from aligndetr.evaluation.report import text_table

    whole = balance.total()
    start, end = (f"{first} to {last}" for first, last in (balance.start, balance.end))
    lines = [
        f"loss {whole[0]:.4g} at the start (recorded at iterations {start}),",
        f"{whole[1]:.4g} at the end ({end}); percent of it:",
    ]
    terms = [*balance.terms, None]
    for begin in range(0, len(terms), TERMS):
        shown = terms[begin : begin + TERMS]
        rows = [
            [layer or "all", *(_share(balance.total(term, layer) / whole) for term in shown)]
            for layer in (*balance.layers, None)
        ]
        lines += text_table([("layer", "left"), *((t or "all", "right") for t in shown)], rows)
    return lines


def _share(parts: Sequence[float]) -> str:
    start, end = (100 * part for part in parts)
    return "-" if math.isnan(start) else f"{start:.1f} -> {end:.1f}"
