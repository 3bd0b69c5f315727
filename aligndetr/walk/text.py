"""A walk as text, 80 columns wide."""

from __future__ import annotations

import sys
import textwrap
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from aligndetr.walk import wording
from aligndetr.walk.repeats import Group, Loop
from aligndetr.walk.step import Item, Value
from aligndetr.walk.walking import Walk

_WIDTH = 80
_COLUMNS = {"params": 8, "time": 6, "own": 6, "memory": 8}
_LEFT = _WIDTH - sum(_COLUMNS.values())
_MOST_VALUES = 12

Line = list[tuple[str, str]]  # pieces of text with their style


@dataclass
class _Totals:
    seconds: float
    num_bytes: int


def lines(walk: Walk, depth: int | None = 2) -> Iterator[Line]:
    """A walk, line by line, as pieces of text with the styles of `rich`.

    Args:
        walk: what to tell.
        depth: levels of steps below the model's own; None tells all.
    """
    yield from _legend(walk)
    yield []
    titles = "".join(f"{title:>{width}}" for title, width in _COLUMNS.items())
    yield [(f"{'step':<{_LEFT}}{titles}", "bold")]
    root = Group([walk.root])
    totals = _Totals(walk.root.seconds, walk.root.num_bytes)
    yield from _group(root, "", "", depth, totals)


def as_text(walk: Walk, depth: int | None = 2) -> str:
    """A walk as plain text, see `lines`."""
    return "\n".join("".join(text for text, _ in line).rstrip() for line in lines(walk, depth))


def _legend(walk: Walk) -> Iterator[Line]:
    facts = wording.legend(walk.letters)
    column = max(map(len, facts), default=0) + 3
    per_line = max(_WIDTH // column, 1)
    rows = -(-len(facts) // per_line)
    for row in range(rows):
        yield [("".join(f"{fact:<{column}}" for fact in facts[row::rows]).rstrip(), "dim")]


def _group(
    group: Group, head: str, tail: str, depth: int | None, totals: _Totals
) -> Iterator[Line]:
    """A step with what is in it.

    Args:
        group: the step, or several equal ones.
        head: drawn before its first line.
        tail: drawn before its other lines.
        depth: levels to go down.
        totals: of the whole walk.
    """
    loops = group.loops() if depth is None or depth > 0 else []
    yield _headline(group, head, totals)
    inner = f"{tail}│ " if loops else f"{tail}  "
    yield from _details(group, inner)
    below = None if depth is None else depth - 1
    for index, loop in enumerate(loops):
        is_last = index == len(loops) - 1
        yield from _loop(loop, tail, is_last, below, totals)


def _loop(
    loop: Loop, tail: str, is_last: bool, depth: int | None, totals: _Totals
) -> Iterator[Line]:
    head, rest = ("└ ", "  ") if is_last else ("├ ", "│ ")
    if len(loop.groups) == 1:
        yield from _group(loop.groups[0], tail + head, tail + rest, depth, totals)
        return
    yield [(tail + head, "dim"), (f"{loop.times} times:", "bold")]
    for index, group in enumerate(loop.groups):
        inner_head, inner_rest = ("└ ", "  ") if index == len(loop.groups) - 1 else ("├ ", "│ ")
        yield from _group(group, tail + rest + inner_head, tail + rest + inner_rest, depth, totals)


def _headline(group: Group, head: str, totals: _Totals) -> Line:
    name = group.name or "model"
    times = f" x {len(group.steps)}" if len(group.steps) > 1 else ""
    room = _LEFT - len(head) - len(name) - len(times) - 2
    kind = (
        group.first.kind if len(group.first.kind) <= room else f"{group.first.kind[: room - 2]}.."
    )
    left = len(head) + len(name) + len(kind) + len(times) + 1
    cells = [
        wording.count(group.num_parameters) if group.num_parameters else "",
        wording.share(group.seconds, totals.seconds),
        wording.share(group.own_seconds, totals.seconds),
        wording.share(group.num_bytes, totals.num_bytes),
    ]
    figures = "".join(
        f"{cell:>{width}}" for cell, width in zip(cells, _COLUMNS.values(), strict=True)
    )
    return [
        (head, "dim"),
        (name, "bold"),
        (f" {kind}", "cyan"),
        (times, "bold"),
        (" " * (_LEFT - left) + figures, ""),
    ]


def _details(group: Group, indent: str) -> Iterator[Line]:
    """What a step takes and gives, and why it failed."""
    taken = [text for text in map(wording.argument, group.first.inputs) if text]
    yield from _wrapped(", ".join(taken), indent, "  ", "dim")
    if (output := group.output) is not None:
        yield from _output(output, indent)
    if group.first.error:
        yield from _wrapped(group.first.error, indent, "! ", "bold red")


def _output(output: Item, indent: str) -> Iterator[Line]:
    tensors = [value for value in output.values if value.shape]
    scalars = [value for value in output.values if not value.shape]
    for value in tensors[:_MOST_VALUES]:
        yield _value(value, indent)
    if len(tensors) > _MOST_VALUES:
        yield [(indent, "dim"), (f"  and {len(tensors) - _MOST_VALUES} more tensors", "")]
    told = [f"{value.name} {wording.span(value)}".strip() for value in scalars]
    yield from _wrapped(", ".join(told), indent, "> ", "")


def _value(value: Value, indent: str) -> Line:
    text = f"> {value.name} {wording.shape(value)}" if value.name else f"> {wording.shape(value)}"
    span = wording.span(value)
    room = max(_WIDTH - len(indent) - len(text), len(span) + 1)
    return [(indent, "dim"), (text, "green"), (f"{span:>{room}}", "red" * bool(value.not_finite))]


def _wrapped(text: str, indent: str, mark: str, style: str) -> Iterator[Line]:
    wrapped = textwrap.wrap(text, max(_WIDTH - len(indent) - len(mark), 30), break_on_hyphens=False)
    for index, line in enumerate(wrapped):
        yield [(indent, "dim"), ((mark if index == 0 else "  ") + line, style)]


def print_lines(told: Iterable[Line]) -> None:
    """Print lines, coloured on a terminal, plain elsewhere."""
    if not sys.stdout.isatty():
        for line in told:
            print("".join(text for text, _ in line).rstrip())
        return
    from rich.console import Console
    from rich.text import Text

    console = Console(highlight=False)
    for line in told:
        console.print(Text.assemble(*line), soft_wrap=True)
