"""Callable parts of a model that are no modules: matchers, losses, post-processing."""

from __future__ import annotations

from collections.abc import Iterator
from types import FunctionType
from typing import Any

from torch import nn


class WatchedPart:
    """Stands in for a part while a model is watched: calls go through `call`, the rest to it."""

    def __init__(self, part: Any, call: Any) -> None:
        self._watched, self._call = part, call

    def __call__(self, *args: Any, **kwargs: Any) -> Any:  # noqa: D102
        return self._call(*args, **kwargs)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._watched, name)


def parts(
    owner: Any, path: str, above: tuple[int, ...] = ()
) -> Iterator[tuple[dict[str, Any], str, str, Any]]:
    """Parts that an object holds in its public attributes, and those that these hold.

    Args:
        owner: a module or part.
        path: of the owner.
        above: identities of the parts around it, which are not entered again.

    Yields:
        The attributes of the owner, the part's name there, its path, and the part.
    """
    attributes = getattr(owner, "__dict__", {})
    for name, value in list(attributes.items()):
        if is_part(value) and not name.startswith("_") and id(value) not in above:
            inner = f"{path}.{name}" if path else name
            yield attributes, name, inner, value
            yield from parts(value, inner, (*above, id(value)))


def is_part(value: Any) -> bool:
    """Whether an object is callable because its class, which is not PyTorch's, says so."""
    if isinstance(value, nn.Module | type | FunctionType) or not callable(value):
        return False
    is_foreign = type(value).__module__.split(".")[0] in ("torch", "builtins", "functools")
    return not is_foreign and isinstance(type(value).__call__, FunctionType)
