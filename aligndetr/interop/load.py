"""Loading any known checkpoint into a model."""

from __future__ import annotations

import os
from collections.abc import Collection
from dataclasses import replace
from pathlib import Path

from torch import Tensor, nn

from aligndetr.errors import CheckpointError
from aligndetr.interop.class_rows import COCO_SLOTS, drop_unused_slots, num_classes, row_names
from aligndetr.interop.huggingface import is_detector, is_hub_name
from aligndetr.interop.hyper_parameters import (
    contradictions,
    differing_traits,
    fold_pixels,
    model_traits,
)
from aligndetr.interop.placement import BACKBONE, Target, place
from aligndetr.interop.query_rows import fit_queries
from aligndetr.interop.raw_checkpoint import RawCheckpoint, read_checkpoint
from aligndetr.interop.renaming import Imported, identify, import_state
from aligndetr.interop.report import Report
from aligndetr.interop.sources import OURS
from aligndetr.interop.transformers_backbone import load_backbone


def load_checkpoint(
    model: nn.Module,
    path: str | os.PathLike,
    strict: bool = False,
    weights: str = "model",
    other_queries: bool = False,
) -> Report:
    """Load a checkpoint of any known source into a model.

    A classifier's weights go into `model.backbone`, a detector's into the whole model; a bare
    backbone takes either. Class heads of other classes than the model's keep the model's values
    but for the rows of classes that both sides name (`model.class_names`).

    Args:
        model: a `Detector` or a backbone.
        path: local file, or see `aligndetr.interop.references.local_checkpoint`; a `huggingface://`
            name that is no detector of ours is taken for a backbone of transformers.
        strict: take it as an error if anything is missing, unexpected, re-initialised or of
            another shape.
        weights: "model", or "ema" for the averaged weights beside them.
        other_queries: the model, which will be trained, may have another number of queries than the
            checkpoint, see `fit_queries`; otherwise that is an error.

    Returns:
        What went where; `print` it.

    Raises:
        CheckpointError: the file cannot be read or recognised, contradicts the model's
            hyper-parameters, has nothing for it, or does not fit exactly though `strict`.
    """
    if is_hub_name(path) and not is_detector(str(path)):
        return load_backbone(model, str(path), strict)
    return load_state(model, read_checkpoint(path, weights), strict, other_queries)


def load_state(
    model: nn.Module, checkpoint: RawCheckpoint, strict: bool = False, other_queries: bool = False
) -> Report:
    """Load what was read from a file; see `load_checkpoint`."""
    target = Target(model)
    imported = import_checkpoint(checkpoint, target.state, num_classes(target.state))
    source = imported.source
    report = Report(checkpoint.path, source.name, unexpected=imported.unknown)
    if imported.ignored:
        report.notes.append(f"{len(imported.ignored)} tensors that a detector does not need")
    tensors = target.select(imported.tensors, report)
    if other_queries:
        tensors, done = fit_queries(tensors, model, target.state)
        report.notes += [done] if done else []
    if differing := contradictions(tensors, target.state):
        text = f"{checkpoint.path} is of another architecture than the model:"
        raise CheckpointError("\n  ".join([text, *differing]))
    tensors = _reconcile_traits(tensors, imported, model, report)
    names = row_names(tensors, checkpoint.class_names, source.name != OURS.name)
    updates = place(tensors, names, target, report)
    if source.backbone_only:
        report.missing = [name for name in report.missing if name.startswith(BACKBONE)]
    if not updates:
        raise CheckpointError(f"nothing in {checkpoint.path} fits the model\n{report}")
    if strict and not report.is_complete:
        raise CheckpointError(f"{checkpoint.path} does not fit the model exactly\n{report}")
    target.write(updates, source.name)
    return report


def import_checkpoint(
    checkpoint: RawCheckpoint, model_names: Collection[str] = (), classes: int | None = None
) -> Imported:
    """Recognise a checkpoint and translate it to our names.

    Args:
        checkpoint: the file's content.
        model_names: of the model to load into, if there is one.
        classes: of that model; unused rows of COCO heads are kept if it has them too.
    """
    imported = import_state(checkpoint.tensors, identify(checkpoint, model_names))
    tensors = imported.tensors
    if imported.source.backbone_only:
        tensors = {BACKBONE + name: tensor for name, tensor in tensors.items()}
    if imported.source.traits.coco_slots and classes != COCO_SLOTS:
        tensors = drop_unused_slots(tensors)
    return replace(imported, tensors=tensors)


def checkpoint_classes(path: str | Path, weights: str = "model") -> int | None:
    """How many classes a checkpoint detects; None for a backbone."""
    return num_classes(import_checkpoint(read_checkpoint(path, weights)).tensors)


def _reconcile_traits(
    tensors: dict[str, Tensor], imported: Imported, model: nn.Module, report: Report
) -> dict[str, Tensor]:
    """Fold pixel statistics into the stem, and compare what cannot be folded."""
    traits, ours = imported.source.traits, model_traits(model)
    differing = differing_traits(traits, ours)
    try:
        if traits.binding:
            tensors, done = fold_pixels(tensors, traits, ours)
            report.notes += [done] if done else []
    except ValueError as error:
        differing.append(str(error))
    if differing and traits.binding:
        text = f"{report.path} ({report.source}) needs other hyper-parameters than the model's:"
        raise CheckpointError("\n  ".join([text, *differing]))
    report.notes += [f"{text} (the usual value there; check the config)" for text in differing]
    return tensors
