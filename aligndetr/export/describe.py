"""The metadata of a detector that is about to be exported."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from omegaconf import DictConfig
from PIL import Image
from torch.export import ExportedProgram

from aligndetr import __version__
from aligndetr.config.nodes import to_plain
from aligndetr.config.yaml_file import yaml_text
from aligndetr.data.augmentation import Resize, ResizeShortestEdge
from aligndetr.engine.operating_point import hash_weights
from aligndetr.errors import ExportError
from aligndetr.export.graph import FREE_SIZES
from aligndetr.export.program import Canvas
from aligndetr.runtime.exported.metadata import INPUTS, OUTPUTS, SCHEMA, UNVERIFIED
from aligndetr.runtime.prediction.choice import DEFAULT_THRESHOLD


def describe(
    config: DictConfig, model: Any, mapper: Any, program: ExportedProgram, canvas: Canvas
) -> dict[str, Any]:
    """Metadata without format and precision; see `metadata.py`.

    Args:
        config: of the experiment.
        model: the detector that was traced.
        mapper: of its evaluation, see `DetrMapper`.
        program: what was traced.
        canvas: what it was traced with.

    Raises:
        ExportError: the mapper does to images what no rule describes.
    """
    point = model.operating_point
    fixed = {"height": canvas.height, "width": canvas.width, "batch": canvas.batch}
    return {
        "schema": SCHEMA,
        "version": __version__,
        "classes": model.class_names,
        "num_classes": model.num_classes,
        "thresholds": None if point is None else list(point.thresholds),
        "default_threshold": DEFAULT_THRESHOLD,
        "calibrator": None if point is None else _plain(point.calibrator),
        "fitted_on": None if point is None else _plain(point.data),
        "channel_order": mapper.image_format,
        "pixel_mean": model.pixel_mean.flatten().tolist(),
        "pixel_std": model.pixel_std.flatten().tolist(),
        "resize": resize_rule(mapper.augmentation),
        "padding": {"where": "bottom right", "value": 0},
        "canvas": fixed if canvas.fixed else None,
        "inputs": _tensors(program, "placeholder", INPUTS),
        "outputs": _tensors(program, "output", OUTPUTS),
        "config_hash": hashlib.sha256(yaml_text(to_plain(config)).encode()).hexdigest(),
        "weights_hash": hash_weights(model.state_dict()),
        "verification": UNVERIFIED,
    }


def resize_rule(augmentations: Sequence[Any]) -> dict[str, Any]:
    """What the augmentations of an evaluation do to the size of an image, in plain values.

    Raises:
        ExportError: it is nothing that the metadata knows.
    """
    if not augmentations:
        return {"rule": "none", "interpolation": "bilinear"}
    first = augmentations[0]
    if len(augmentations) == 1 and type(first) is Resize:
        height, width = first.shape
        return {"rule": "fixed", "height": height, "width": width, "interpolation": "bilinear"}
    if len(augmentations) == 1 and type(first) is ResizeShortestEdge and _is_certain(first):
        if not first.lengths:
            return {"rule": "none", "interpolation": "bilinear"}
        limit = None if first.max_size >= 2**31 else first.max_size
        rule = {"rule": "shortest_edge", "length": first.lengths[0], "max_size": limit}
        return {**rule, "interpolation": "bilinear"}
    names = ", ".join(type(step).__name__ for step in augmentations)
    raise ExportError(
        f"dataloader.test.mapper.augmentation ({names}) cannot be written into a file: it may hold "
        "one Resize, or one ResizeShortestEdge with one length, both bilinear"
    )


def example_canvas(rule: Mapping[str, Any]) -> Canvas:
    """What to trace with: an image in landscape format of the size that a rule gives."""
    if rule["rule"] == "fixed":
        return Canvas(rule["height"], rule["width"])
    length = rule.get("length", 160)
    return Canvas(length, min(length * 6 // 5, rule.get("max_size") or length * 6 // 5))


def _is_certain(resize: ResizeShortestEdge) -> bool:
    return len(set(resize.lengths)) <= 1 and resize.interp == Image.Resampling.BILINEAR


def _tensors(program: ExportedProgram, kind: str, names: Sequence[str]) -> dict[str, Any]:
    """Type and shape by name of a program's inputs or outputs."""
    signature = program.graph_signature
    nodes = {node.name: node for node in program.graph.nodes}
    wanted = signature.user_inputs if kind == "placeholder" else signature.user_outputs
    values = (nodes[name].meta["val"] for name in wanted)
    return {
        name: {"dtype": str(value.dtype).removeprefix("torch."), "shape": _shape(value, name)}
        for name, value in zip(names, values, strict=True)
    }


def _shape(value: torch.Tensor, name: str) -> list[int | str]:
    return [
        size if type(size) is int else free
        for size, free in zip(value.shape, FREE_SIZES[name], strict=True)
    ]


def _plain(values: Any) -> Any:
    """Mappings and sequences of omegaconf or others as dict and list."""
    if isinstance(values, Mapping):
        return {str(key): _plain(value) for key, value in values.items()}
    if isinstance(values, list | tuple):
        return [_plain(value) for value in values]
    return values
