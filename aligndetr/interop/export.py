"""From our names to those of another toolbox."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import TypeVar

import torch
from torch import Tensor

from aligndetr.errors import CheckpointError
from aligndetr.interop.names import to_theirs, translate
from aligndetr.interop.source import Source

Value = TypeVar("Value")


def export_state(state: Mapping[str, Value], source: Source) -> dict[str, Value]:
    """Rename our state dict, and repeat every tensor that is stored twice there.

    Args:
        state: anything by our parameter names: tensors, gradients, shapes; tensors where the
            source stores some of them in another form.
        source: whose names to use.

    Returns:
        The values by exactly the names that the source publishes, sorted by name.

    Raises:
        CheckpointError: some names have no counterpart there, or different values would get the
            same one.
    """
    names = export_names(state, source)
    _check_shared(state, names, source)
    renamed = source.finish({names[name]: value for name, value in state.items()})
    for alias, repeated in source.aliases(renamed):
        for name in list(renamed):
            extra = translate(name, repeated, alias)
            if extra:
                renamed[extra] = renamed[name]
    return {name: renamed[name] for name in sorted(renamed)}


def _check_shared(state: Mapping[str, Value], names: Mapping[str, str], source: Source) -> None:
    """Parameters that get the same name must be one.

    Raises:
        CheckpointError: they differ.
    """
    first: dict[str, str] = {}
    for name, theirs in names.items():
        twin = first.setdefault(theirs, name)
        if twin != name and not _is_equal(state[twin], state[name]):
            raise CheckpointError(
                f"{twin} and {name} are one parameter ({theirs}) in {source.name}, "
                "but differ in this model"
            )


def _is_equal(left: Value, right: Value) -> bool:
    if isinstance(left, Tensor) and isinstance(right, Tensor):
        unknown = left.is_meta or right.is_meta
        return left.shape == right.shape and (unknown or torch.equal(left, right))
    return left == right


def export_names(names: Collection[str], source: Source) -> dict[str, str]:
    """Map our names to theirs, aliases left out.

    Raises:
        CheckpointError: some names have no counterpart there.
    """
    table = source.table(names)
    mapped = {name: to_theirs(name, table) for name in names}
    strange = [name for name, theirs in mapped.items() if theirs is None]
    if strange:
        shown = ", ".join(strange[:5])
        raise CheckpointError(
            f"{len(strange)} parameters have no name in {source.name}: {shown}"
            + (", ..." if len(strange) > 5 else "")
        )
    return {name: str(theirs) for name, theirs in mapped.items()}
