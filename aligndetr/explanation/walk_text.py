"""A walk as text, 80 columns wide."""

from __future__ import annotations

import sys
import textwrap
from collections.abc import Iterable, Iterator

from rich.console import Console
from rich.text import Text

from aligndetr.explanation import walk_formatting as formatting
from aligndetr.explanation.recorded_steps import Item, Step, Value
from aligndetr.explanation.walk_forward import Walk
from aligndetr.explanation.walk_repeated_layers import Group, Loop

_WIDTH = 80
_COLUMNS = {"params": 8, "time": 6, "own": 6, "memory": 8}
_LEFT = _WIDTH - sum(_COLUMNS.values())
_MOST_VALUES, _FEW_VALUES = 12, 3
_UNBREAKABLE = "\N{NO-BREAK SPACE}"


def lines(walk: Walk, depth: int | None = 2) -> Iterator[Text]:
    """A walk, line by line, with colours.

    Args:
        walk: what to tell.
        depth: levels of steps below the model's own; None tells all.
    """
    yield from _legend(walk)
    yield Text()
    titles = "".join(f"{title:>{width}}" for title, width in _COLUMNS.items())
    yield Text(f"{'step':<{_LEFT}}{titles}", "bold")
    depth = sys.maxsize if depth is None else depth
    yield from _group(Group([walk.root]), "", "", depth, walk.root)


def as_text(walk: Walk, depth: int | None = 2) -> str:
    """A walk as plain text, see `lines`."""
    return "\n".join(line.plain.rstrip() for line in lines(walk, depth))


def _legend(walk: Walk) -> Iterator[Text]:
    facts = formatting.legend(walk.letters)
    column = max(map(len, facts), default=0) + 3
    rows = -(-len(facts) // max(_WIDTH // column, 1))
    for row in range(rows):
        yield Text("".join(f"{fact:<{column}}" for fact in facts[row::rows]), "dim")


def _group(group: Group, head: str, tail: str, depth: int, whole: Step) -> Iterator[Text]:
    """A step with what is in it: `head` is drawn before its first line, `tail` before others."""
    loops = group.loops() if depth > 0 else []
    yield _headline(group, head, whole)
    yield from _details(group, f"{tail}│ " if loops else f"{tail}  ", bool(loops))
    yield from _loops(loops, tail, depth - 1, whole)


def _loops(loops: list[Loop], tail: str, depth: int, whole: Step) -> Iterator[Text]:
    for index, loop in enumerate(loops):
        head, rest = ("└ ", "  ") if index == len(loops) - 1 else ("├ ", "│ ")
        if len(loop.groups) == 1:
            yield from _group(loop.groups[0], tail + head, tail + rest, depth, whole)
        else:
            yield Text.assemble((tail + head, "dim"), (f"{loop.times} times:", "bold"))
            yield from _loops([Loop(1, [each]) for each in loop.groups], tail + rest, depth, whole)


def _headline(group: Group, head: str, whole: Step) -> Text:
    name, kind = group.name or "model", group.first.kind
    times = f" x {len(group.steps)}" if len(group.steps) > 1 else ""
    room = _LEFT - len(head) - len(name) - len(times) - 2
    kind = kind if len(kind) <= room else f"{kind[: room - 2]}.."
    line = Text.assemble((head, "dim"), (name, "bold"), (f" {kind}", "cyan"), (times, "bold"))
    line.truncate(_LEFT, pad=True)
    cells = [formatting.count(group.num_parameters) if group.num_parameters else ""]
    for figure, total in (("seconds",) * 2, ("own_seconds", "seconds"), ("num_bytes",) * 2):
        cells.append(formatting.share(group.total(figure), getattr(whole, total)))
    figures = zip(cells, _COLUMNS.values(), strict=True)
    return line.append("".join(f"{cell:>{width}}" for cell, width in figures))


def _details(group: Group, indent: str, is_open: bool) -> Iterator[Text]:
    """What a step takes and gives, and why it failed; `is_open` if its inner steps follow."""
    taken = [piece for item in group.first.inputs for piece in formatting.argument(item)]
    yield from _wrapped(taken, indent, "  ", "dim")
    if (output := group.output) is not None:
        giver = _giver(group.first) if is_open else None
        if giver is None:
            yield from _output(output, indent)
        else:
            text = f"> the {len(output.values)} tensors of {giver.name}"
            yield Text.assemble((indent, "dim"), (text, "green"))
    if group.first.error:
        yield from _wrapped(group.first.error.split(), indent, "! ", "bold red", " ")


def _giver(step: Step) -> Step | None:
    """The inner step whose whole result, of many tensors, is that of a step."""
    last = step.children[-1] if step.children else None
    if last is None or not (step.output and last.output):
        return None
    values = step.output.values
    is_its = {value.source for value in values} == {last.path}
    return last if len(last.output.values) == len(values) > _FEW_VALUES and is_its else None


def _output(output: Item, indent: str) -> Iterator[Text]:
    tensors = [value for value in output.values if value.shape]
    scalars = [value for value in output.values if not value.shape]
    for value in tensors[:_MOST_VALUES]:
        yield _value(value, indent)
    if len(tensors) > _MOST_VALUES:
        more = f"  and {len(tensors) - _MOST_VALUES} more tensors"
        yield Text.assemble((indent, "dim"), more)
    told = [f"{value.name} {formatting.span(value)}".strip() for value in scalars]
    yield from _wrapped(told, indent, "> ", "")


def _value(value: Value, indent: str) -> Text:
    text, span = f"> {f'{value.name} {formatting.shape(value)}'.strip()}", formatting.span(value)
    room = max(_WIDTH - len(indent) - len(text), len(span) + 1)
    style = "red" if value.not_finite else ""
    return Text.assemble((indent, "dim"), (text, "green"), (f"{span:>{room}}", style))


def _wrapped(
    pieces: list[str], indent: str, mark: str, style: str, joint: str = ", "
) -> Iterator[Text]:
    """Pieces in lines that break between them only."""
    text = joint.join(piece.replace(" ", _UNBREAKABLE) for piece in pieces)
    room = max(_WIDTH - len(indent) - len(mark), 30)
    for index, line in enumerate(textwrap.wrap(text, room, break_on_hyphens=False)):
        told = (mark if index == 0 else "  ") + line.replace(_UNBREAKABLE, " ")
        yield Text.assemble((indent, "dim"), (told, style))


def print_lines(told: Iterable[Text]) -> None:
    """Print lines, coloured on a terminal, plain elsewhere."""
    console = Console(highlight=False)
    for line in told:
        line.rstrip()
        console.print(line, soft_wrap=True)
