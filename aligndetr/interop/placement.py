"""Which tensor goes where in a model."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence

import torch
from torch import Tensor, nn

from aligndetr.errors import CheckpointError
from aligndetr.interop.class_rows import common_rows, has_class_rows, num_classes, rates_proposals
from aligndetr.interop.report import Report

BACKBONE = "backbone."


class Target:
    """A model's parameters and buffers under a detector's names.

    Args:
        model: a detector, or a bare backbone, whose names get the prefix "backbone.".
    """

    def __init__(self, model: nn.Module):
        self.model = model
        self.prefix = "" if hasattr(model, "backbone") else BACKBONE
        self.state = {self.prefix + name: value for name, value in model.state_dict().items()}

    def select(self, tensors: dict[str, Tensor], report: Report) -> dict[str, Tensor]:
        """Leave out what is not the backbone's if that is all there is to fill."""
        if not self.prefix:
            return tensors
        chosen = {name: value for name, value in tensors.items() if name.startswith(BACKBONE)}
        if len(chosen) < len(tensors):
            report.notes.append("only the backbone of this detector is used")
            report.unexpected = []
        return chosen

    def write(self, updates: Mapping[str, Tensor], source: str) -> None:
        """Copy the values into the model.

        Raises:
            CheckpointError: the model shares a parameter for which there are different values.
        """
        self._check_shared(updates, source)
        own = {name.removeprefix(self.prefix): value for name, value in updates.items()}
        self.model.load_state_dict(own, strict=False)

    def identity(self, name: str) -> Hashable:
        """Equal for two names of one parameter."""
        tensor = self.state[name]
        if tensor.is_meta or not tensor.numel():
            return name
        return tensor.data_ptr(), tensor.shape, tensor.dtype

    def _check_shared(self, updates: Mapping[str, Tensor], source: str) -> None:
        first: dict[Hashable, str] = {}
        for name in updates:
            twin = first.setdefault(self.identity(name), name)
            if twin != name and not torch.equal(updates[twin], updates[name]):
                raise CheckpointError(
                    f"the model shares {twin} and {name}, but this {source} checkpoint has "
                    "separate ones: build the model with separate heads"
                )


def place(
    tensors: dict[str, Tensor], class_names: list[str] | None, target: Target, report: Report
) -> dict[str, Tensor]:
    """Decide what to load, by the model's names, and write all of it down in the report.

    Args:
        tensors: under our names.
        class_names: of their class rows, if known.
        target: the model.
        report: filled.
    """
    ours = getattr(target.model, "class_names", None)
    same_classes = num_classes(tensors) == num_classes(target.state) and (
        not class_names or not ours or list(class_names) == list(ours)
    )
    rows = common_rows(class_names, ours)
    is_whole = len(rows) == num_classes(target.state)
    updates: dict[str, Tensor] = {}
    for name, value in tensors.items():
        if name not in target.state:
            report.unexpected += [] if name.endswith("num_batches_tracked") else [name]
        elif has_class_rows(name) and not same_classes:
            rates = rates_proposals(name, target.state)
            updates[name] = copy_rows(value, target.state[name], [(0, 0)] if rates else rows)
            (report.loaded if rates or is_whole else report.reinitialised).append(name)
        elif value.shape != target.state[name].shape:
            shapes = f"{tuple(value.shape)} in the checkpoint, {tuple(target.state[name].shape)} in"
            report.mismatched[name] = f"{shapes} the model"
        else:
            updates[name] = value
            report.loaded.append(name)
    if not same_classes and class_names and ours:
        _report_classes(class_names, ours, report)
    there = {target.identity(name) for name in tensors if name in target.state}
    report.missing = [
        name
        for name in target.state
        if target.identity(name) not in there and not name.endswith("num_batches_tracked")
    ]
    return updates


def _report_classes(theirs: Sequence[str], ours: Sequence[str], report: Report) -> None:
    report.copied_classes = [name for name in ours if name in theirs]
    report.new_classes = [name for name in ours if name not in theirs]
    report.dropped_classes = [name for name in theirs if name not in ours]


def copy_rows(theirs: Tensor, ours: Tensor, rows: list[tuple[int, int]]) -> Tensor:
    """Ours, with pairs (their row, our row) taken over."""
    mixed = ours.detach().clone()
    for source, destination in rows:
        mixed[destination] = theirs[source].to(mixed)
    return mixed
