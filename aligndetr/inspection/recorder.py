"""What modules were called with, without a change to them."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from torch import nn


@dataclass
class Call:
    """One call of a module.

    Attributes:
        arguments: by the names of the parameters of its `forward`, defaults left out.
        result: what it returned.
    """

    arguments: dict[str, Any]
    result: Any

    def __getitem__(self, name: str) -> Any:
        return self.arguments[name]


@contextmanager
def recorded(modules: Mapping[str, nn.Module]) -> Iterator[dict[str, Call]]:
    """Remember the last call of each module while the block runs.

    Args:
        modules: by the names that calls should have.

    Yields:
        Calls by name, filled while the modules run; tensors are not copied.
    """
    calls: dict[str, Call] = {}

    def keep(name: str):
        def hook(module: nn.Module, args: tuple, kwargs: dict, result: Any) -> None:
            bound = inspect.signature(module.forward).bind(*args, **kwargs)
            calls[name] = Call(bound.arguments, result)

        return hook

    handles = [
        module.register_forward_hook(keep(name), with_kwargs=True)
        for name, module in modules.items()
    ]
    try:
        yield calls
    finally:
        for handle in handles:
            handle.remove()
