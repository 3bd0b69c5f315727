"""Between the names of another toolbox and ours, in both directions."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import torch
from torch import Tensor

from aligndetr.errors import CheckpointError, some
from aligndetr.interop.class_rows import drop_extra_label
from aligndetr.interop.names import fits_any, to_ours, to_theirs, translate
from aligndetr.interop.raw_checkpoint import RawCheckpoint
from aligndetr.interop.sources import OURS, SOURCES
from aligndetr.interop.sources.source import Source, Traits
from aligndetr.interop.sources.torchvision_resnet import SOURCE as TORCHVISION

Value = TypeVar("Value")


@dataclass
class Imported:
    """A checkpoint under our names.

    Attributes:
        source: what it was recognised as.
        tensors: by our name; those of a classifier lack the prefix "backbone.".
        unknown: their names that have no counterpart here.
        ignored: their names that a detector has no use for.
    """

    source: Source
    tensors: dict[str, Tensor]
    unknown: list[str]
    ignored: list[str]


def identify(checkpoint: RawCheckpoint, model_names: Collection[str] = ()) -> Source:
    """Recognise the source of a checkpoint by its names; our own shares most of the model's.

    Raises:
        CheckpointError: no source has such names.
    """
    names = checkpoint.tensors
    source = next((source for source in SOURCES if source.recognises(names)), None)
    if source is None and 2 * len(set(names) & set(model_names)) >= len(names):
        source = OURS
    if source is None:
        known = "; ".join(source.name for source in SOURCES)
        raise CheckpointError(
            f"{checkpoint.path}: names such as {', '.join(list(names)[:4])} belong to no known "
            f"source. Known are: {known}"
        )
    if checkpoint.traits:
        return replace(source, traits=Traits(**checkpoint.traits))
    if source.backbone_only and checkpoint.author == "torchvision":
        return replace(source, traits=TORCHVISION.traits)
    return source


def import_state(tensors: Mapping[str, Tensor], source: Source) -> Imported:
    """Translate a state dict of that source to our names.

    Raises:
        CheckpointError: two names of the same tensor hold different values, or two tensors
            would get the same name.
    """
    kept = {name: t for name, t in tensors.items() if not fits_any(name, source.ignored)}
    kept = resolve_aliases(source.prepare(kept), source)
    table = source.table(kept)
    renamed: dict[str, Tensor] = {}
    unknown = []
    for name, tensor in kept.items():
        ours = to_ours(name, table)
        if ours is None:
            unknown.append(name)
        elif ours in renamed:
            raise CheckpointError(f"{name} and another tensor both mean {ours}: a mixed-up file")
        else:
            renamed[ours] = tensor
    ignored = [name for name in tensors if fits_any(name, source.ignored)]
    return Imported(source, drop_extra_label(renamed), unknown, ignored)


def resolve_aliases(tensors: dict[str, Tensor], source: Source) -> dict[str, Tensor]:
    """Keep each tensor once, under its first name.

    Raises:
        CheckpointError: an alias differs from what it repeats.
    """
    resolved: dict[str, Tensor] = {}
    aliases = source.aliases(tensors)
    for name, tensor in tensors.items():
        candidates = (translate(name, alias, repeated) for alias, repeated in aliases)
        first = next((found for found in candidates if found), name)
        if first in tensors and not torch.equal(tensors[first], tensor):
            raise CheckpointError(
                f"{name} differs from {first}, though in {source.name} both are one tensor: "
                "the file is damaged or was edited"
            )
        resolved[first] = tensor
    return resolved


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
    first: dict[str, str] = {}
    for name, theirs in names.items():
        twin = first.setdefault(theirs, name)
        if twin != name and not _is_equal(state[twin], state[name]):
            raise CheckpointError(
                f"{twin} and {name} are one parameter ({theirs}) in {source.name}, "
                "but differ in this model"
            )
    renamed: dict[str, Any] = source.finish({names[name]: value for name, value in state.items()})
    for alias, repeated in source.aliases(renamed):
        for name in list(renamed):
            extra = translate(name, repeated, alias)
            if extra:
                renamed[extra] = renamed[name]
    return {name: renamed[name] for name in sorted(renamed)}


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
        raise CheckpointError(
            f"{len(strange)} parameters have no name in {source.name}: {some(strange)}"
        )
    return {name: str(theirs) for name, theirs in mapped.items()}
