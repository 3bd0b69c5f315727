"""Loading any known checkpoint into a model."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor, nn

from aligndetr.errors import CheckpointError
from aligndetr.interop.class_rows import (
    common_rows,
    drop_unused_slots,
    has_class_rows,
    num_classes,
    row_names,
)
from aligndetr.interop.identify import Imported, identify, import_state
from aligndetr.interop.reader import RawCheckpoint, read_checkpoint
from aligndetr.interop.report import Report
from aligndetr.interop.sizes import contradictions
from aligndetr.interop.sources import OURS
from aligndetr.interop.traits import differing_traits, fold_pixels, model_traits

BACKBONE = "backbone."


def load_checkpoint(
    model: nn.Module, path: str | Path, strict: bool = False, weights: str = "model"
) -> Report:
    """Load a checkpoint of any known source into a model.

    A classifier's weights go into `model.backbone`, a detector's into the whole model; a bare
    backbone takes either. Class heads of another class count keep the model's values but for the
    rows of classes that both sides name.

    Args:
        model: a `Detector` or a backbone.
        path: local file, URL or `detectron2://` name.
        strict: take it as an error if anything is missing, unexpected, re-initialised or of
            another shape.
        weights: "model", or "ema" for the averaged weights beside them.

    Returns:
        What went where.

    Raises:
        CheckpointError: the file cannot be read or recognised, contradicts the model's
            hyper-parameters, has nothing for it, or is not complete though `strict`.
    """
    return load_state(model, read_checkpoint(path, weights), strict)


def load_state(model: nn.Module, checkpoint: RawCheckpoint, strict: bool = False) -> Report:
    """Load what was read from a file; see `load_checkpoint`."""
    target = model.state_dict()
    imported = identify_and_import(checkpoint, target)
    report = Report(checkpoint.path, imported.source.name, imported.source.verified)
    tensors = _fit_to_model(imported, model, target, report)
    names = row_names(tensors, checkpoint.class_names, imported.source.name != OURS.name)
    rows = _class_rows(tensors, target, names, getattr(model, "class_names", None))
    updates = _sort_out(tensors, target, rows, report)
    if rows:
        report.copied_classes = [names[theirs] for theirs, _ in rows]
    _finish(report, imported, model, target, strict)
    _check_shared(model, updates, report)
    model.load_state_dict(updates, strict=False)
    return report


def identify_and_import(checkpoint: RawCheckpoint, target: Mapping[str, Tensor] = {}) -> Imported:
    """Recognise a checkpoint and translate it; a classifier's names get the prefix "backbone."."""
    source = identify(checkpoint, target)
    imported = import_state(checkpoint.tensors, source)
    if source.backbone_only:
        imported.tensors = {BACKBONE + name: t for name, t in imported.tensors.items()}
    return imported
