"""From our names to those of another toolbox."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import TypeVar

from aligndetr.errors import CheckpointError
from aligndetr.interop.names import to_theirs, translate
from aligndetr.interop.source import Source

Value = TypeVar("Value")


def export_state(state: Mapping[str, Value], source: Source) -> dict[str, Value]:
    """Rename our state dict, and repeat every tensor that is stored twice there.

    Args:
        state: anything by our parameter names: tensors, gradients, shapes.
        source: whose names to use.

    Returns:
        The values by exactly the names that the source publishes, sorted by name.

    Raises:
        CheckpointError: some names have no counterpart there.
    """
    names = export_names(state, source)
    renamed = {names[name]: value for name, value in state.items()}
    for alias, repeated in source.aliases(renamed):
        for name in list(renamed):
            extra = translate(name, repeated, alias)
            if extra:
                renamed[extra] = renamed[name]
    return {name: renamed[name] for name in sorted(renamed)}


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
