"""What a recorder writes down: a tree of steps, each with the tensors it takes and gives."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any


@dataclass
class Value:
    """A tensor on its way.

    Attributes:
        name: where it stands in the argument or result, such as "logits" or "res3"; "" for the
            argument or result itself.
        shape: its sizes.
        dtype: such as "float32".
        minimum, maximum: of its finite elements; None when there are none.
        not_finite: how many elements are infinite or not a number.
        source: path of the step that gave it; "" for an input of the whole model.
        letters: its sizes with their letters, where these are certain, else as numbers.
    """

    name: str
    shape: tuple[int, ...]
    dtype: str
    minimum: float | None
    maximum: float | None
    not_finite: int = 0
    source: str = ""
    letters: tuple[str, ...] = ()


@dataclass
class Item:
    """An argument or a result: its type, and the tensors in it.

    Attributes:
        name: of the argument; "" for a result.
        kind: its type, such as "Tensor" or "Pyramid".
        values: the tensors in it, in order.
    """

    name: str
    kind: str
    values: list[Value] = field(default_factory=list)


@dataclass
class Step:
    """One call of a module, or of another callable part of the model.

    Attributes:
        name: its path, as seen from the step around it.
        path: its path in the model, such as "encoder.layers.0"; "" for the model itself.
        kind: its class.
        call: how many times it has been called, this time included.
        inputs: its arguments.
        output: its result; None while it runs, and if it failed.
        num_parameters: of the module with everything inside it, shared ones once.
        seconds: it took, with everything inside it, without the recorder's own work.
        num_bytes: of the new tensors that operations in it wrote, temporary ones included.
        error: what made it fail; "" if nothing did.
        children: the steps inside it, in the order of their calls.
        kept: copies of its arguments by name and, as "", of its result, if the recorder was told
            to keep them.
    """

    name: str
    path: str
    kind: str
    call: int = 1
    inputs: list[Item] = field(default_factory=list)
    output: Item | None = None
    num_parameters: int = 0
    seconds: float = 0.0
    num_bytes: int = 0
    error: str = ""
    children: list[Step] = field(default_factory=list)
    kept: dict[str, Any] = field(default_factory=dict, repr=False, compare=False)

    @property
    def own_seconds(self) -> float:
        """Time between its children."""
        return max(self.seconds - sum(child.seconds for child in self.children), 0.0)

    def steps(self) -> Iterator[Step]:
        """This step and all steps inside it, outer ones first, in the order of their calls."""
        yield self
        for child in self.children:
            yield from child.steps()

    def find(self, path: str, call: int = 1) -> Step:
        """A step by its path in the model.

        Args:
            path: such as "decoder.layers.0.cross_attention".
            call: which call of it, counting from 1.

        Raises:
            KeyError: it was not called, or not so often.
        """
        calls = [step for step in self.steps() if step.path == path]
        if not 1 <= call <= len(calls):
            raise KeyError(f"{path!r} has {len(calls)} calls here; call {call} is none of them")
        return calls[call - 1]

    def values(self) -> Iterator[Value]:
        """All tensors that it takes and gives."""
        for item in [*self.inputs, *([self.output] if self.output else [])]:
            yield from item.values

    @property
    def given(self) -> Sequence[Value]:
        """The tensors that it gave; none while it runs, and if it failed."""
        return self.output.values if self.output else ()

    @property
    def result(self) -> Any:
        """A copy of what it gave.

        Raises:
            KeyError: it was not kept.
        """
        return self.argument("")

    def argument(self, name: str) -> Any:
        """A copy of an argument that it was called with; defaults that were left out are none.

        Raises:
            KeyError: it was not kept, or there is no such argument.
        """
        if not self.kept:
            raise KeyError(f"nothing of {self.path!r} was kept; record with keep=[{self.path!r}]")
        if name not in self.kept:
            raise KeyError(f"{self.path} has no {name!r}; kept are {list(self.kept)}")
        return self.kept[name]
