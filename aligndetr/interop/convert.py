"""Rewriting a checkpoint file under our names or another toolbox's."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from aligndetr.errors import CheckpointError
from aligndetr.files import atomic_write
from aligndetr.interop.class_rows import row_names
from aligndetr.interop.hyper_parameters import model_traits
from aligndetr.interop.load import import_checkpoint, load_state
from aligndetr.interop.placement import BACKBONE, Target
from aligndetr.interop.raw_checkpoint import RawCheckpoint, read_checkpoint
from aligndetr.interop.renaming import export_state
from aligndetr.interop.report import Report
from aligndetr.interop.sources import (
    DETREX,
    OURS,
    detrex_source,
    huggingface_rtdetr,
    lyuwenyu_rtdetr,
)
from aligndetr.interop.sources.source import Traits

LAYOUTS = {
    "ours": OURS,
    "detrex": DETREX,
    "rtdetr": lyuwenyu_rtdetr.SOURCE,
    "huggingface-rtdetr": huggingface_rtdetr.SOURCE,
}


def convert_checkpoint(
    source: str | Path,
    destination: str | Path,
    layout: str,
    model: nn.Module | None = None,
    strict: bool = False,
    weights: str = "model",
) -> Report:
    """Read a checkpoint of any known source and write it in another layout.

    Args:
        source: local file, URL or `detectron2://` name.
        destination: file to write, for `torch.load(..., weights_only=True)`.
        layout: one of `LAYOUTS`.
        model: what the result shall fit. With it the file is checked against the model, and the
            result holds exactly the model's tensors; without it names alone are translated.
        strict: take anything that does not fit exactly, or is not understood, as an error.
        weights: "model" or "ema", see `load_checkpoint`.

    Returns:
        What became of the file's tensors.

    Raises:
        CheckpointError: as `load_checkpoint`; or the layout has no name for a parameter.
    """
    if layout not in LAYOUTS:
        raise CheckpointError(f"unknown layout {layout!r}: choose one of {', '.join(LAYOUTS)}")
    checkpoint = read_checkpoint(source, weights)
    if model is None:
        tensors, content, report = _translate(checkpoint, strict)
    else:
        tensors, content, report = _fill(model, checkpoint, strict)
    # A bare backbone keeps its own names, which detectron2 has too.
    is_detector = any(not name.startswith(BACKBONE) for name in tensors)
    own = {name: value.detach().clone() for name, value in tensors.items()}
    if is_detector:
        names = LAYOUTS[layout]
        state = export_state(own, detrex_source(own) if names is DETREX else names)
    else:
        state = {name.removeprefix(BACKBONE): value for name, value in own.items()}
    if layout != "ours":
        content = {}  # detectron2's checkpointer takes every other entry for a thing to restore
    with atomic_write(destination, "wb") as file:
        torch.save({"model": state, **content}, file)
    return report


def _translate(
    checkpoint: RawCheckpoint, strict: bool
) -> tuple[dict[str, Tensor], dict[str, Any], Report]:
    imported = import_checkpoint(checkpoint)
    source, tensors = imported.source, imported.tensors
    report = Report(
        checkpoint.path,
        source.name,
        loaded=list(tensors),
        unexpected=imported.unknown,
        notes=["no config given: names are translated, sizes are not checked"],
    )
    if strict and imported.unknown:
        raise CheckpointError(f"{checkpoint.path} is not understood completely\n{report}")
    names = row_names(tensors, checkpoint.class_names, source.name != OURS.name)
    return tensors, _content(names, source.traits), report


def _fill(
    model: nn.Module, checkpoint: RawCheckpoint, strict: bool
) -> tuple[dict[str, Tensor], dict[str, Any], Report]:
    report = load_state(model, checkpoint, strict)
    state = Target(model).state
    names = row_names(state, getattr(model, "class_names", None), False)
    if names is None and not report.reinitialised:
        names = checkpoint.class_names
    return state, _content(names, model_traits(model)), report


def _content(class_names: list[str] | None, traits: Traits) -> dict[str, Any]:
    """What goes into our files beside the weights."""
    # The rows of unused COCO slots are gone, so that trait no longer holds.
    known = {k: v for k, v in asdict(replace(traits, coco_slots=False)).items() if v is not None}
    return {"class_names": class_names, "traits": known} if class_names else {"traits": known}
