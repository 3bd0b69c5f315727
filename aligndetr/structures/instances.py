"""The objects of one image, with any per-object fields."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor


class Instances:
    """Objects of one image: fields of equal length, such as `gt_boxes`, `gt_classes`, `scores`.

    Fields are read and written as attributes, as in detectron2, whose tools read ours:
    `instances.scores = scores; keep = instances[instances.scores > 0.5]`.

    Args:
        image_size: (height, width) in pixels of the image that the boxes refer to.
        fields: initial fields.
    """

    def __init__(self, image_size: tuple[int, int], **fields: Any) -> None:
        self._image_size = tuple(image_size)
        self._fields: dict[str, Any] = {}
        for name, value in fields.items():
            self.set(name, value)

    @property
    def image_size(self) -> tuple[int, int]:
        """(height, width) in pixels."""
        return self._image_size

    def set(self, name: str, value: Any) -> None:
        """Add or replace a field.

        Raises:
            ValueError: its length differs from that of the fields already there.
        """
        others = {key: len(v) for key, v in self._fields.items() if key != name}
        if any(length != len(value) for length in others.values()):
            raise ValueError(f"field {name} has {len(value)} entries, the others have {others}")
        self._fields[name] = value

    def get(self, name: str) -> Any:
        """The field `name`; AttributeError names the fields that exist."""
        if name not in self._fields:
            raise AttributeError(
                f"Instances have no field {name!r}; there are {list(self._fields)}"
            )
        return self._fields[name]

    def has(self, name: str) -> bool:
        """Whether the field exists."""
        return name in self._fields

    def remove(self, name: str) -> None:
        """Delete a field."""
        del self._fields[name]

    def get_fields(self) -> dict[str, Any]:
        """All fields by name."""
        return self._fields

    def to(self, *args, **kwargs) -> Instances:
        """All fields that can move, moved as by `Tensor.to`."""
        moved = {
            name: value.to(*args, **kwargs) if hasattr(value, "to") else value
            for name, value in self._fields.items()
        }
        return Instances(self._image_size, **moved)

    @staticmethod
    def cat(parts: Sequence[Instances]) -> Instances:
        """All objects of several Instances of one image, in order; fields must agree."""
        names = list(parts[0].get_fields())
        return Instances(
            parts[0].image_size, **{n: _concatenate([p.get(n) for p in parts]) for n in names}
        )

    def __setattr__(self, name: str, value: Any) -> None:
        if name.startswith("_"):
            super().__setattr__(name, value)
        else:
            self.set(name, value)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):  # while unpickling, before __init__ has run
            raise AttributeError(name)
        return self.get(name)

    def __getitem__(self, item: int | slice | Tensor) -> Instances:
        if isinstance(item, int):
            if not -len(self) <= item < len(self):
                raise IndexError(f"index {item} of {len(self)} instances")
            item = slice(item, None if item == -1 else item + 1)
        chosen = {name: _select(value, item) for name, value in self._fields.items()}
        return Instances(self._image_size, **chosen)

    def __len__(self) -> int:
        for value in self._fields.values():
            return len(value)
        return 0

    def __repr__(self) -> str:
        height, width = self._image_size
        return f"Instances({len(self)} in {height}x{width}, fields={list(self._fields)})"


def _select(value: Any, item: slice | Tensor) -> Any:
    if isinstance(value, list) and isinstance(item, Tensor):
        index = item.nonzero().flatten() if item.dtype == torch.bool else item
        return [value[i] for i in index.tolist()]
    return value[item]


def _concatenate(values: list[Any]) -> Any:
    if isinstance(values[0], Tensor):
        return torch.cat(values)
    if isinstance(values[0], list):
        return [entry for value in values for entry in value]
    return type(values[0]).cat(values)
