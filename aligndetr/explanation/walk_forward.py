"""One forward of a model, told step by step."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import nn

from aligndetr.explanation.recorded_steps import Step
from aligndetr.explanation.recorder import Recorder
from aligndetr.explanation.walk_shape_letters import Letters, find_letters


@dataclasses.dataclass
class Walk:
    """One forward of a model.

    Attributes:
        root: the model's step, with all others inside it.
        letters: what sizes mean.
        result: what the model returned.
    """

    root: Step
    letters: Letters
    result: Any = None

    def to_dict(self) -> dict[str, Any]:
        """Everything but copies and the model's result, in types that JSON knows."""
        maps = [[*names, *sizes] for names, sizes in self.letters.maps.items()]
        return {"letters": self.letters.sizes, "maps": maps, "root": _plain(self.root)}


def _plain(thing: Any) -> Any:
    if dataclasses.is_dataclass(thing):
        shown = [each.name for each in dataclasses.fields(thing) if each.repr]
        return {name: _plain(getattr(thing, name)) for name in shown}
    return [_plain(each) for each in thing] if isinstance(thing, list | tuple) else thing


class InterruptedWalk(RuntimeError):  # noqa: N818
    """The model failed; `__cause__` says why, `walk` how far it came."""

    def __init__(self, walk: Walk) -> None:
        failed = [step for step in walk.root.steps() if step.error][-1]
        super().__init__(f"{failed.path or failed.kind}: {failed.error}")
        self.walk = walk


def walk(
    model: nn.Module,
    inputs: Any,
    arguments: Mapping[str, Any] | None = None,
    *,
    keep: Sequence[str] = (),
    also: Sequence[str] = (),
    letters: Letters | Mapping[str, int] | None = None,
) -> Walk:
    """Run a model once and write down every step.

    The model runs as it is, in training or in evaluation mode, without gradient in the latter.
    Random draws come from PyTorch's generator: seed it for the same walk again.

    Args:
        model: any module.
        inputs: its positional arguments if this is a tuple, else its only one.
        arguments: its keyword arguments.
        keep, also: see `Recorder`.
        letters: what sizes mean, such as {"B": 2, "T": 77}; None finds the letters of a detector.

    Returns:
        The steps.

    Raises:
        InterruptedWalk: the model failed.
        AttributeError: a method of `also` does not exist.
    """
    recorder = Recorder(model, keep, also)
    positional = inputs if isinstance(inputs, tuple) else (inputs,)
    with recorder.recording(), torch.set_grad_enabled(model.training and torch.is_grad_enabled()):
        try:
            result = model(*positional, **(arguments or {}))
        except Exception as error:
            if not recorder.has_begun:
                raise
            raise InterruptedWalk(_named(recorder.root, model, letters, None)) from error
    return _named(recorder.root, model, letters, result)


def _named(root: Step, model: nn.Module, letters: Any, result: Any) -> Walk:
    if letters is None:
        letters = find_letters(model, root)
    elif not isinstance(letters, Letters):
        letters = Letters(dict(letters))
    for step in root.steps():
        for value in step.values():
            value.letters = letters.name(value.shape, value.source)
    return Walk(root, letters, result)
