"""The tensors in any object, and what they hold."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator, Mapping
from types import FunctionType, ModuleType
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.weak import WeakTensorKeyDictionary

from aligndetr.walk.step import Item, Value

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


class Notes:
    """What is known of tensors: facts are computed once, sources remembered while tensors live."""

    def __init__(self) -> None:
        self._facts = WeakTensorKeyDictionary()
        self._sources = WeakTensorKeyDictionary()

    def item(self, name: str, thing: Any, path: str | None, keep: bool) -> Item:
        """Describe an argument or result.

        Args:
            name: of the argument.
            thing: the argument or result.
            path: the step whose result it is; None for an argument.
            keep: whether to copy the tensors.
        """
        values = []
        for label, tensor in tensors_in(thing):
            if path is not None:
                self._sources.setdefault(tensor, path)
            value = dataclasses.replace(
                self._value(tensor), name=label, source=self._sources.get(tensor, "")
            )
            value.tensor = tensor.detach().clone() if keep else None
            values.append(value)
        return Item(name, _kind(thing), values)

    def _value(self, tensor: Tensor) -> Value:
        version, value = self._facts.get(tensor, (None, None))
        current = None if tensor.is_inference() else tensor._version  # in-place changes count it up
        if value is None or version is None or version != current:
            value = facts(tensor)
            self._facts[tensor] = current, value
        return value


def _kind(thing: Any) -> str:
    if isinstance(thing, list | tuple) and not hasattr(thing, "_fields"):
        inner = {type(part).__name__ for part in thing}
        return f"{type(thing).__name__} of {len(thing)}" + (f" {inner.pop()}" * (len(inner) == 1))
    return "Tensor" if isinstance(thing, Tensor) else type(thing).__name__


def facts(tensor: Tensor) -> Value:
    """Shape, type and range of a tensor."""
    low, high, not_finite = _range(tensor.detach())
    return Value(
        name="",
        shape=tuple(tensor.shape),
        dtype=str(tensor.dtype).removeprefix("torch."),
        minimum=low,
        maximum=high,
        not_finite=not_finite,
        num_bytes=tensor.numel() * tensor.element_size(),
    )


def _range(tensor: Tensor) -> tuple[float | None, float | None, int]:
    """Minimum and maximum of the finite elements, and how many are not."""
    if (
        not tensor.numel()
        or tensor.is_meta
        or tensor.is_complex()
        or tensor.layout != torch.strided
    ):
        return None, None, 0
    if tensor.dtype == torch.bool or tensor.dtype.itemsize == 1:
        tensor = tensor.to(torch.float32 if tensor.is_floating_point() else torch.int16)
    low, high = (float(edge) for edge in tensor.aminmax())
    if math.isfinite(low) and math.isfinite(high):
        return low, high, 0
    finite = tensor[tensor.isfinite()]
    count = tensor.numel() - finite.numel()
    if not finite.numel():
        return None, None, count
    low, high = (float(edge) for edge in finite.aminmax())
    return low, high, count
