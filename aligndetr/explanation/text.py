"""A walk as text, 80 columns wide."""

from __future__ import annotations

import sys
import textwrap
from collections.abc import Iterable, Iterator

from aligndetr.explanation import wording
from aligndetr.explanation.repeats import Group, Loop
from aligndetr.explanation.step import Item, Step, Value
from aligndetr.explanation.walking import Walk

_WIDTH = 80
_COLUMNS = {"params": 8, "time": 6, "own": 6, "memory": 8}
_LEFT = _WIDTH - sum(_COLUMNS.values())
_MOST_VALUES, _FEW_VALUES = 12, 3
_UNBREAKABLE = "\N{NO-BREAK SPACE}"

Line = list[tuple[str, str]]  # pieces of text with their style


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
    yield from _group(Group([walk.root]), "", "", depth, walk.root)


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


def _group(group: Group, head: str, tail: str, depth: int | None, whole: Step) -> Iterator[Line]:
    """A step with what is in it.

    Args:
        group: the step, or several equal ones.
        head: drawn before its first line.
        tail: drawn before its other lines.
        depth: levels to go down.
        whole: the step of which shares are told.
    """
    loops = group.loops() if depth is None or depth > 0 else []
    yield _headline(group, head, whole)
    inner = f"{tail}│ " if loops else f"{tail}  "
    yield from _details(group, inner, bool(loops))
    below = None if depth is None else depth - 1
    for index, loop in enumerate(loops):
        is_last = index == len(loops) - 1
        yield from _loop(loop, tail, is_last, below, whole)


def _loop(loop: Loop, tail: str, is_last: bool, depth: int | None, whole: Step) -> Iterator[Line]:
    head, rest = ("└ ", "  ") if is_last else ("├ ", "│ ")
    if len(loop.groups) == 1:
        yield from _group(loop.groups[0], tail + head, tail + rest, depth, whole)
        return
    yield [(tail + head, "dim"), (f"{loop.times} times:", "bold")]
    for index, group in enumerate(loop.groups):
        inner_head, inner_rest = ("└ ", "  ") if index == len(loop.groups) - 1 else ("├ ", "│ ")
        yield from _group(group, tail + rest + inner_head, tail + rest + inner_rest, depth, whole)


def _headline(group: Group, head: str, whole: Step) -> Line:
    name = group.name or "model"
    times = f" x {len(group.steps)}" if len(group.steps) > 1 else ""
    room = _LEFT - len(head) - len(name) - len(times) - 2
    kind = group.first.kind
    kind = kind if len(kind) <= room else f"{kind[: room - 2]}.."
    left = len(head) + len(name) + len(kind) + len(times) + 1
    cells = [
        wording.count(group.num_parameters) if group.num_parameters else "",
        wording.share(group.total("seconds"), whole.seconds),
        wording.share(group.total("own_seconds"), whole.seconds),
        wording.share(group.total("num_bytes"), whole.num_bytes),
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


def _details(group: Group, indent: str, is_open: bool) -> Iterator[Line]:
    """What a step takes and gives, and why it failed; `is_open` if its inner steps follow."""
    taken = [piece for item in group.first.inputs for piece in wording.argument(item)]
    yield from _wrapped(taken, indent, "  ", "dim")
    if (output := group.output) is not None:
        giver = _giver(group.first) if is_open else None
        if giver is not None:
            text = f"> the {len(output.values)} tensors of {giver.name}"
            yield [(indent, "dim"), (text, "green")]
        else:
            yield from _output(output, indent)
    if group.first.error:
        yield from _wrapped(group.first.error.split(), indent, "! ", "bold red", " ")


def _giver(step: Step) -> Step | None:
    """The inner step whose whole result, of many tensors, is that of a step."""
    values = step.output.values if step.output else []
    if len(values) > _FEW_VALUES and step.children and step.children[-1].output:
        last = step.children[-1]
        if len(last.output.values) == len(values) and {v.source for v in values} == {last.path}:
            return last
    return None


def _output(output: Item, indent: str) -> Iterator[Line]:
    tensors = [value for value in output.values if value.shape]
    scalars = [value for value in output.values if not value.shape]
    for value in tensors[:_MOST_VALUES]:
        yield _value(value, indent)
    if len(tensors) > _MOST_VALUES:
        yield [(indent, "dim"), (f"  and {len(tensors) - _MOST_VALUES} more tensors", "")]
    told = [f"{value.name} {wording.span(value)}".strip() for value in scalars]
    yield from _wrapped(told, indent, "> ", "")


def _value(value: Value, indent: str) -> Line:
    text = f"> {value.name} {wording.shape(value)}" if value.name else f"> {wording.shape(value)}"
    span = wording.span(value)
    room = max(_WIDTH - len(indent) - len(text), len(span) + 1)
    return [(indent, "dim"), (text, "green"), (f"{span:>{room}}", "red" * bool(value.not_finite))]


def _wrapped(
    pieces: list[str], indent: str, mark: str, style: str, joint: str = ", "
) -> Iterator[Line]:
    """Pieces in lines that break between them only."""
    text = joint.join(piece.replace(" ", _UNBREAKABLE) for piece in pieces)
    room = max(_WIDTH - len(indent) - len(mark), 30)
    for index, line in enumerate(textwrap.wrap(text, room, break_on_hyphens=False)):
        told = (mark if index == 0 else "  ") + line.replace(_UNBREAKABLE, " ")
        yield [(indent, "dim"), (told, style)]


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
