"""Repeated steps told once: six equal layers are one layer, six times."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from aligndetr.explanation.recorded_steps import Item, Step, Value


@dataclass
class Group:
    """Steps that differ in their numbers only; all figures are those of all of them together."""

    steps: list[Step]

    @property
    def first(self) -> Step:
        """The step that speaks for the others."""
        return self.steps[0]

    @property
    def name(self) -> str:
        """Such as "layers.0..5"."""
        first, last = self.first.name, self.steps[-1].name
        if first == last:
            return first
        start, end = re.findall(r"\d+", first), re.findall(r"\d+", last)
        changed = [pair for pair in zip(start, end, strict=False) if pair[0] != pair[1]]
        if len(changed) != 1 or first.count(changed[0][0]) != 1:
            return f"{first} .. {last}"
        low, high = changed[0]
        return first.replace(low, f"{low}..{high}")

    def total(self, figure: str) -> float:
        """Sum of a figure of the steps, such as "seconds"."""
        return sum(getattr(step, figure) for step in self.steps)

    @property
    def num_parameters(self) -> int:
        """Of the different modules."""
        return sum({step.path: step.num_parameters for step in self.steps}.values())

    @property
    def output(self) -> Item | None:
        """The first one's result, with the ranges of all results."""
        outputs = [step.output for step in self.steps if step.output]
        if not outputs:
            return None
        columns = zip(*(item.values for item in outputs), strict=True)
        return replace(outputs[0], values=[_joined(list(values)) for values in columns])

    def loops(self) -> list[Loop]:
        """The steps inside, repetitions folded."""
        loops, start = [], 0
        children = self.first.children
        signatures = [signature(child) for child in children]
        while start < len(children):
            period, times = _longest_repetition(signatures[start:])
            stop = start + period * times
            groups = [
                Group([each for step in self.steps for each in step.children[first:stop:period]])
                for first in range(start, start + period)
            ]
            loops.append(Loop(times, groups))
            start = stop
        return loops


@dataclass
class Loop:
    """Steps that follow each other, `times` times."""

    times: int
    groups: list[Group]


def signature(step: Step) -> tuple:
    """What must be equal for two steps to be told as one."""
    inputs = tuple(
        value.letters for item in step.inputs if item.kind == "Tensor" for value in item.values
    )
    values = step.output.values if step.output else []
    outputs = tuple((value.name, value.letters) for value in values)
    children = tuple(signature(child) for child in step.children)
    return (re.sub(r"\d+", "#", step.name), step.kind, step.error, inputs, outputs, children)


def _longest_repetition(signatures: list[tuple]) -> tuple[int, int]:
    """Period and count of the repetition that begins the list and covers the most of it."""
    best = (1, 1)
    for period in range(1, len(signatures) // 2 + 1):
        head, times = signatures[:period], 1
        while signatures[times * period : (times + 1) * period] == head:
            times += 1
        if times > 1 and period * times > best[0] * best[1]:
            best = period, times
    return best


def _joined(values: list[Value]) -> Value:
    lows = [value.minimum for value in values if value.minimum is not None]
    highs = [value.maximum for value in values if value.maximum is not None]
    return replace(
        values[0],
        minimum=min(lows, default=None),
        maximum=max(highs, default=None),
        not_finite=sum(value.not_finite for value in values),
    )
