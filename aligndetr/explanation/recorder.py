"""Everything that a model calls while it runs: with what, what it gave, how long it took."""

from __future__ import annotations

import inspect
import time
from collections import Counter
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from fnmatch import fnmatchcase
from types import FunctionType
from typing import Any

import torch
from torch import nn

from aligndetr.explanation.recorded_memory import Allocations
from aligndetr.explanation.recorded_steps import Step
from aligndetr.explanation.recorded_tensors import Describer, copied


class Recorder:
    """Turns the calls of modules, and of other callable parts that these hold, into steps.

    Args:
        model: what is recorded; it runs as it is, and is left as it was.
        keep: patterns of paths (`*` matches dots as well), such as "decoder.layers.*", of steps
            whose arguments and results are copied, see `Step.result`.
        also: methods to record as steps, by path, such as "preprocess" or "encoder.embed".

    """

    def __init__(self, model: nn.Module, keep: Sequence[str] = (), also: Sequence[str] = ()):
        self._root: Step | None = None
        self._model, self._keep, self._also = model, tuple(keep), tuple(also)
        self._calls: Counter[str] = Counter()
        self._describer, self._allocations = Describer(), Allocations()
        self._open: list[Step] = []  # begun and not ended, outermost first
        self._overhead = 0.0

    @property
    def has_begun(self) -> bool:
        """Whether anything is recorded."""
        return self._root is not None

    @property
    def root(self) -> Step:
        """The outermost step.

        Raises:
            LookupError: it has not begun.
        """
        if self._root is None:
            raise LookupError("nothing is recorded: the model has not been called")
        return self._root

    @contextmanager
    def recording(self) -> Generator[None]:
        """Record what runs inside the block.

        Raises:
            AttributeError: there is no such method to record.
        """
        is_fast = torch.backends.mha.get_fastpath_enabled()
        with ExitStack() as undo:
            # PyTorch's own transformer layers would skip the modules that they hold.
            torch.backends.mha.set_fastpath_enabled(False)
            undo.callback(torch.backends.mha.set_fastpath_enabled, is_fast)
            for path, module in list(self._model.named_modules()):
                size = sum(parameter.numel() for parameter in module.parameters())
                self._replace(undo, module, "forward", path, type(module).__name__, size)
            for path, part in parts_of(self._model):
                self._replace_call(undo, part, path)
            for path in self._also:
                owner, _, name = path.rpartition(".")
                self._replace(undo, self._model.get_submodule(owner), name, path, "", 0)
            undo.enter_context(self._allocations)
            yield

    def _replace(
        self, undo: ExitStack, owner: nn.Module, name: str, path: str, kind: str, size: int
    ) -> None:
        """Let a method of this one module be recorded."""
        attributes = vars(owner)
        if name in attributes:
            undo.callback(attributes.__setitem__, name, attributes[name])
        else:
            undo.callback(attributes.__delitem__, name)
        attributes[name] = self._recorded(getattr(owner, name), path, kind, size)

    def _replace_call(self, undo: ExitStack, part: Any, path: str) -> None:
        """Let a part be recorded: a call asks its class, so it gets one of its own."""
        kind = type(part)
        call = self._recorded(part.__call__, path, kind.__name__, 0)
        own = type(kind.__name__, (kind,), {"__call__": staticmethod(call), "__slots__": ()})
        object.__setattr__(part, "__class__", own)
        undo.callback(object.__setattr__, part, "__class__", kind)

    def _recorded(self, function: Callable, path: str, kind: str, size: int) -> Callable:
        def call(*args: Any, **kwargs: Any) -> Any:
            with self._aside():
                step = self._begin(path, kind, _arguments(function, args, kwargs))
            step.num_parameters, start, written = size, self._clock(), self._allocations.num_bytes
            try:
                result = function(*args, **kwargs)
            except Exception as error:
                step.error = f"{type(error).__name__}: {error}"
                raise
            finally:
                step.seconds = self._clock() - start
                step.num_bytes = self._allocations.num_bytes - written
                self._open.pop()
            with self._aside():
                step.output = self._describer.item("", result, path)
                if self._is_kept(path):
                    step.kept[""] = copied(result)
            return result

        return call

    def _begin(self, path: str, kind: str, arguments: Mapping[str, Any]) -> Step:
        self._calls[path] += 1
        around = self._open[-1] if self._open else None
        outer = f"{around.path}." if around and around.path else ""
        step = Step(path.removeprefix(outer), path, kind, self._calls[path])
        items = (self._describer.item(name, thing) for name, thing in arguments.items())
        step.inputs = [item for item in items if item.kind != "NoneType"]
        if self._is_kept(path):
            step.kept = {name: copied(thing) for name, thing in arguments.items()}
        if around is None:
            self._root = step
        else:
            around.children.append(step)
        self._open.append(step)
        return step

    @contextmanager
    def _aside(self) -> Generator[None]:
        """What the recorder itself does takes no time and writes nothing."""
        start = _now()
        self._allocations.is_paused = True
        try:
            yield
        finally:
            self._allocations.is_paused = False
            self._overhead += _now() - start

    def _clock(self) -> float:
        """Seconds, those left out that recording has taken so far."""
        return _now() - self._overhead - self._allocations.seconds

    def _is_kept(self, path: str) -> bool:
        return any(fnmatchcase(path, pattern) for pattern in self._keep)


def parts_of(model: nn.Module) -> Iterator[tuple[str, Any]]:
    """Callable parts that are no modules, such as matchers, losses and post-processing.

    Yields:
        The path of each, and the part; of one that several own, the first path.
    """
    seen: set[int] = set()
    owners: list[tuple[str, Any]] = list(model.named_modules())
    for path, owner in owners:  # which grows: parts own parts
        for name, value in getattr(owner, "__dict__", {}).items():
            if _is_part(value) and not name.startswith("_") and id(value) not in seen:
                seen.add(id(value))
                owners.append((f"{path}.{name}" if path else name, value))
                yield owners[-1]


def _is_part(value: Any) -> bool:
    """Whether an object is callable because its class, which is not PyTorch's, says so."""
    if isinstance(value, nn.Module | type | FunctionType) or not callable(value):
        return False
    is_foreign = type(value).__module__.split(".")[0] in ("torch", "builtins", "functools")
    return not is_foreign and isinstance(type(value).__call__, FunctionType)


def _arguments(function: Callable, args: tuple, kwargs: Mapping[str, Any]) -> dict[str, Any]:
    """Arguments by name, in order."""
    try:
        bound = inspect.signature(function).bind(*args, **kwargs)
    except (TypeError, ValueError):  # the call will say so itself, or has no signature
        return {f"[{index}]": thing for index, thing in enumerate(args)} | dict(kwargs)
    named: dict[str, Any] = {}
    for name, thing in bound.arguments.items():
        kind = bound.signature.parameters[name].kind
        if kind is inspect.Parameter.VAR_POSITIONAL:
            named |= {f"{name}[{index}]": each for index, each in enumerate(thing)}
        else:
            named |= thing if kind is inspect.Parameter.VAR_KEYWORD else {name: thing}
    return named


def _now() -> float:
    if torch.cuda.is_initialized():  # work is only handed over there, not done
        torch.cuda.synchronize()
    return time.perf_counter()
