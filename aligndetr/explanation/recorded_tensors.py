"""The tensors in any object, and what they hold."""

from __future__ import annotations

import copy
import dataclasses
import math
from collections.abc import Iterator, Mapping
from types import FunctionType, ModuleType
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.weak import WeakTensorKeyDictionary

from aligndetr.explanation.recorded_steps import Item, Value

_DEEPEST, _MOST = 8, 500
_CLOSED = (nn.Module, type, FunctionType, ModuleType, str, bytes, int, float, bool, type(None))


def tensors_in(thing: Any, name: str = "") -> Iterator[tuple[str, Tensor]]:
    """All tensors in an object with their names: "res3", "[0]", "proposals.logits".

    Goes into mappings, sequences, dataclasses, `Instances` and any other object with attributes;
    an object that holds itself, or very many tensors, is cut off.
    """
    for count, pair in enumerate(_tensors(thing, name, ())):
        if count == _MOST:
            return
        yield pair


def _tensors(thing: Any, name: str, above: tuple[int, ...]) -> Iterator[tuple[str, Tensor]]:
    if isinstance(thing, Tensor):
        yield name, thing
    elif not isinstance(thing, _CLOSED) and id(thing) not in above and len(above) < _DEEPEST:
        for label, part in _parts(thing):
            inner = f"{name}.{label}" if name and label and label[0] != "[" else f"{name}{label}"
            yield from _tensors(part, inner, (*above, id(thing)))


def _parts(thing: Any) -> list[tuple[str, Any]]:
    if isinstance(thing, Mapping):
        return [(str(key), part) for key, part in thing.items()]
    if isinstance(thing, list | tuple):
        labels = getattr(thing, "_fields", None) or [f"[{index}]" for index in range(len(thing))]
        return list(zip(labels, thing, strict=True))
    if dataclasses.is_dataclass(thing):
        return [(each.name, getattr(thing, each.name, None)) for each in dataclasses.fields(thing)]
    if hasattr(thing, "get_fields"):  # Instances, ours or detectron2's
        return list(thing.get_fields().items())
    if isinstance(getattr(thing, "tensor", None), Tensor):  # Boxes
        return [("", thing.tensor)]
    attributes = getattr(thing, "__dict__", {})
    return [(key, part) for key, part in attributes.items() if not key.startswith("_")]


def copied(thing: Any) -> Any:
    """A copy of an object whose tensors are copies without gradient."""
    tensors = {id(tensor): tensor.detach().clone() for _, tensor in tensors_in(thing)}
    return copy.deepcopy(thing, tensors)  # which takes what it finds there for done


class Describer:
    """Describes arguments and results, and remembers where tensors came from while they live."""

    def __init__(self) -> None:
        self._sources = WeakTensorKeyDictionary()

    def item(self, name: str, thing: Any, path: str | None = None) -> Item:
        """An argument, or the result of the step with this path."""
        item = Item(name, _kind(thing))
        for label, tensor in tensors_in(thing):
            if path is not None:
                self._sources.setdefault(tensor, path)
            item.values.append(_value(label, tensor, self._sources.get(tensor, "")))
        return item


def _kind(thing: Any) -> str:
    if isinstance(thing, list | tuple) and not hasattr(thing, "_fields"):
        inner = {type(part).__name__ for part in thing}
        return f"{type(thing).__name__} of {len(thing)}" + (f" {inner.pop()}" * (len(inner) == 1))
    return "Tensor" if isinstance(thing, Tensor) else type(thing).__name__


def _value(name: str, tensor: Tensor, source: str) -> Value:
    dtype = str(tensor.dtype).removeprefix("torch.")
    return Value(name, tuple(tensor.shape), dtype, *_range(tensor.detach()), source)


def _range(tensor: Tensor) -> tuple[float | None, float | None, int]:
    """Minimum and maximum of the finite elements, and how many are not."""
    is_plain = tensor.layout == torch.strided and not tensor.is_meta and not tensor.is_complex()
    if not tensor.numel() or not is_plain:
        return None, None, 0
    if tensor.dtype == torch.bool or tensor.dtype.itemsize == 1:
        tensor = tensor.to(torch.float32 if tensor.is_floating_point() else torch.int16)
    low, high = (float(edge) for edge in tensor.aminmax())
    if math.isfinite(low) and math.isfinite(high):
        return low, high, 0
    finite = tensor[tensor.isfinite()]
    low, high, _ = _range(finite)
    return low, high, tensor.numel() - finite.numel()
