"""Results as text."""

from __future__ import annotations

import math
from collections.abc import Sequence
from io import StringIO

from aligndetr.evaluation.evaluator import Results

WIDTH = 80
MAX_NAME = 34  # longer class names are cut, so that two fit side by side


def copypaste_lines(results: Results) -> list[str]:
    """Three lines a task that paste into a spreadsheet, in detectron2's form.

    Metrics of single classes (`AP-cat`) are left out.
    """
    lines = []
    for task, metrics in results.items():
        names = [name for name in metrics if "-" not in name]
        values = ",".join(f"{metrics[name]:.4f}" for name in names)
        lines += [
            f"copypaste: Task: {task}",
            f"copypaste: {','.join(names)}",
            f"copypaste: {values}",
        ]
    return lines


def results_table(metrics: dict[str, float], title: str) -> str:
    """A table of 80 columns: the summary, then the classes side by side.

    Args:
        metrics: numbers by name; `AP-<class>` are the classes, NaN prints as "-".
        title: printed above.
    """
    summary = {name: value for name, value in metrics.items() if "-" not in name}
    classes = {name[3:]: value for name, value in metrics.items() if name.startswith("AP-")}
    headings = [(name, "right") for name in summary]
    lines = [title, *text_table(headings, [[_number(value) for value in summary.values()]])]
    return "\n".join([*lines, "", "AP by class", *_class_table(classes)] if classes else lines)


def _class_table(classes: dict[str, float]) -> list[str]:
    """Pairs of name and AP, read downwards, as many side by side as fit."""
    names = [name if len(name) <= MAX_NAME else f"{name[: MAX_NAME - 1]}…" for name in classes]
    pair_width = max(len("class"), *map(len, names)) + len("100.0") + 3
    pairs = min(len(names), 5, WIDTH // pair_width)
    rows = math.ceil(len(names) / pairs)
    pairs = math.ceil(len(names) / rows)  # no empty ones
    cells = list(zip(names, map(_number, classes.values()), strict=True))
    headings = [("class", "left"), ("AP", "right")] * pairs
    lines = [[text for cell in cells[row::rows] for text in cell] for row in range(rows)]
    return text_table(headings, lines)


def text_table(headings: Sequence[tuple[str, str]], rows: Sequence[Sequence[str]]) -> list[str]:
    """Lines of a table of at most 80 columns.

    Args:
        headings: of the columns, each with its alignment, "left" or "right".
        rows: of cells.
    """
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
    for name, side in headings:
        table.add_column(Text(name), justify="left" if side == "left" else "right", no_wrap=True)
    for row in rows:
        table.add_row(*map(Text, row))
    written = StringIO()
    console = Console(file=written, width=WIDTH, force_terminal=False)
    console.print(table)
    lines = [line.rstrip() for line in written.getvalue().splitlines()]
    return [line for line in lines if line]


def _number(value: float) -> str:
    return "-" if math.isnan(value) else f"{value:.1f}"
