"""One forward of a model, watched."""

from __future__ import annotations

import inspect
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import partial
from typing import Any

import torch
from torch import nn

from aligndetr.walk.allocations import Allocations
from aligndetr.walk.parts import WatchedPart, parts
from aligndetr.walk.step import Step
from aligndetr.walk.values import Notes


@dataclass
class _Mark:
    """What was so when a step began: clock, seconds lost, bytes written, exception in handling."""

    start: float
    lost: float
    num_bytes: int
    handled: BaseException | None


class Recorder:
    """Turns calls into a tree of steps.

    Args:
        model: what is watched.
        keep: patterns of paths, such as "decoder.layers.*", of steps whose tensors are copied.
        also: methods to watch, which modules do not announce, such as "preprocess" or
            "encoder.embed".

    Attributes:
        root: the outermost step, once it has begun.
    """

    def __init__(self, model: nn.Module, keep: Sequence[str] = (), also: Sequence[str] = ()):
        self.root: Step | None = None
        self._model, self._keep, self._also = model, tuple(keep), tuple(also)
        self._paths = {module: path for path, module in model.named_modules()}
        self._calls: Counter[str] = Counter()
        self._notes, self._allocations = Notes(), Allocations()
        self._open: list[Step] = []  # begun and not ended, outermost first
        self._marks: list[_Mark] = []  # of the same steps
        self._overhead = 0.0

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Watch the model inside the block, and leave it as it was."""
        handles, undo = [], []
        try:
            for module in self._paths:
                handles.append(
                    module.register_forward_pre_hook(self._module_begins, with_kwargs=True)
                )
                handles.append(
                    module.register_forward_hook(
                        self._module_ends, with_kwargs=True, always_call=True
                    )
                )
            self._watch_parts(undo)
            self._watch_methods(undo)
            with self._allocations:
                yield
        finally:
            for handle in handles:
                handle.remove()
            for restore in reversed(undo):
                restore()

    def _watch_parts(self, undo: list[Callable[[], Any]]) -> None:
        found = [each for module, path in self._paths.items() for each in parts(module, path)]
        for attributes, name, path, part in found:
            attributes[name] = WatchedPart(part, self._watched(part, path, type(part).__name__))
            undo.append(partial(attributes.__setitem__, name, part))

    def _watch_methods(self, undo: list[Callable[[], Any]]) -> None:
        for path in self._also:
            owner_path, _, name = path.rpartition(".")
            owner = self._model.get_submodule(owner_path)
            owner.__dict__[name] = self._watched(getattr(owner, name), path, "")
            undo.append(partial(owner.__dict__.pop, name))

    def _watched(self, function: Callable, path: str, kind: str) -> Callable:
        def call(*args: Any, **kwargs: Any) -> Any:
            self._begin(path, kind, function, args, kwargs)
            try:
                result = function(*args, **kwargs)
            except Exception as error:
                self._fail(error)
                raise
            self._end(result)
            return result

        return call

    def _module_begins(self, module: nn.Module, args: tuple, kwargs: dict) -> None:
        step = self._begin(self._paths[module], type(module).__name__, module.forward, args, kwargs)
        step.num_parameters = sum(parameter.numel() for parameter in module.parameters())

    def _module_ends(self, module: nn.Module, args: tuple, kwargs: dict, result: Any) -> None:
        error = sys.exc_info()[1]
        if isinstance(error, Exception) and error is not self._marks[-1].handled:
            self._fail(error)
        else:
            self._end(result)

    def _begin(self, path: str, kind: str, function: Callable, args: tuple, kwargs: dict) -> Step:
        entered = _now()
        self._allocations.is_paused = True
        self._calls[path] += 1
        around = self._open[-1] if self._open else None
        step = Step(_relative(path, around), path, kind, self._calls[path])
        for name, thing in _arguments(function, args, kwargs).items():
            item = self._notes.item(name, thing, None, self._is_kept(path))
            if item.values or thing is not None:
                step.inputs.append(item)
        if around is None:
            self.root = step
        else:
            around.children.append(step)
        self._open.append(step)
        self._allocations.is_paused = False
        start = _now()
        self._overhead += start - entered
        self._marks.append(_Mark(start, self._lost, self._allocations.num_bytes, sys.exc_info()[1]))
        return step

    def _end(self, result: Any) -> None:
        end = _now()
        step = self._close(end)
        self._allocations.is_paused = True
        step.output = self._notes.item("", result, step.path, self._is_kept(step.path))
        self._allocations.is_paused = False
        self._overhead += _now() - end

    def _fail(self, error: Exception) -> None:
        self._close(_now()).error = f"{type(error).__name__}: {error}"

    def _close(self, end: float) -> Step:
        step, mark = self._open.pop(), self._marks.pop()
        step.seconds = end - mark.start - (self._lost - mark.lost)
        step.num_bytes = self._allocations.num_bytes - mark.num_bytes
        return step

    @property
    def _lost(self) -> float:
        """Seconds that watching has taken so far."""
        return self._overhead + self._allocations.seconds

    def _is_kept(self, path: str) -> bool:
        return any(fnmatchcase(path, pattern) for pattern in self._keep)


def _relative(path: str, around: Step | None) -> str:
    """A path as seen from the step around it."""
    if around is not None and around.path and path.startswith(f"{around.path}."):
        return path[len(around.path) + 1 :]
    return path


def _arguments(function: Callable, args: tuple, kwargs: Mapping[str, Any]) -> dict[str, Any]:
    """Arguments by name, in order."""
    try:
        bound = inspect.signature(function).bind(*args, **kwargs).arguments
    except (TypeError, ValueError):  # the call will say so itself, or has no signature
        return {f"[{index}]": thing for index, thing in enumerate(args)} | dict(kwargs)
    named: dict[str, Any] = {}
    for name, thing in bound.items():
        kind = inspect.signature(function).parameters[name].kind
        if kind is inspect.Parameter.VAR_POSITIONAL:
            named |= {f"{name}[{index}]": each for index, each in enumerate(thing)}
        elif kind is inspect.Parameter.VAR_KEYWORD:
            named |= thing
        else:
            named[name] = thing
    return named


def _now() -> float:
    if torch.cuda.is_initialized():  # work is only handed over there, not done
        torch.cuda.synchronize()
    return time.perf_counter()
