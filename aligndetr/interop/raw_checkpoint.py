"""Checkpoints of any writer, from wherever, as plain tensors by name."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor

from aligndetr.checkpoint_file import read_checkpoint_file
from aligndetr.errors import CheckpointError, some
from aligndetr.interop.references import local_checkpoint

# Under which key writers put their weights: detectron2, mmdetection, Caffe2, Lightning and others.
WEIGHT_KEYS = {
    "model": ("model", "state_dict", "blobs", "module", "net"),
    "ema": ("ema", "ema_state", "ema_model", "ema_state_dict", "model_ema"),
}


@dataclass
class RawCheckpoint:
    """What a file contains, under its own names.

    Attributes:
        path: where it was read from.
        tensors: weights by name.
        class_names: of the classes in the order of the class heads' rows, if the file says so.
        author: detectron2's `__author__`, if there is one.
        traits: hyper-parameters that our own converted files carry.
    """

    path: str
    tensors: dict[str, Tensor]
    class_names: list[str] | None = None
    author: str | None = None
    traits: dict[str, Any] = field(default_factory=dict)


def read_checkpoint(path: str | os.PathLike, weights: str = "model") -> RawCheckpoint:
    """Read a checkpoint without running any code in it.

    Args:
        path: see `local_checkpoint`; zip and legacy files of torch.save, pickles of arrays,
            safetensors, folders of `aligndetr.hub.save_pretrained`.
        weights: "model", or "ema" for the averaged weights beside them.

    Raises:
        CheckpointError: the file is missing, broken, refused, or has no such weights.
    """
    content = read_checkpoint_file(local_checkpoint(path))
    if not isinstance(content, Mapping):
        kind = type(content).__name__
        raise CheckpointError(f"{path} holds a {kind}, not a dict of weights")
    tensors = _as_tensors(_find_weights(content, weights, path))
    if not tensors:
        raise CheckpointError(f"{path} holds no weights; its keys are {some(content, 6)}")
    return RawCheckpoint(
        path=str(path),
        tensors=_strip_wrappers(tensors),
        class_names=_class_names(content),
        author=content.get("__author__"),
        traits=dict(content.get("traits") or {}),
    )


def _find_weights(content: Mapping, weights: str, path: str | os.PathLike) -> Mapping:
    for key in WEIGHT_KEYS[weights]:
        value = content.get(key)
        if isinstance(value, Mapping) and value:
            # Some writers wrap once more: {"ema": {"module": ...}}, {"model": {"state_dict": ...}}.
            inner = [v for k, v in value.items() if k in ("module", "state_dict", "model")]
            return inner[0] if inner and isinstance(inner[0], Mapping) else value
    if weights == "ema":
        raise CheckpointError(f"{path} has no averaged weights; its keys are {some(content, 6)}")
    return content


def _as_tensors(values: Mapping) -> dict[str, Tensor]:
    tensors = {}
    for name, value in values.items():
        if isinstance(value, np.ndarray) and value.dtype.kind in "fiub":
            value = torch.from_numpy(np.ascontiguousarray(value).copy()).reshape(value.shape)
        if isinstance(value, Tensor):
            tensors[str(name)] = value
    return tensors


def _strip_wrappers(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """Remove what data parallelism and torch.compile put before every name."""
    for prefix in ("module.", "_orig_mod."):
        if all(name.startswith(prefix) for name in tensors):
            tensors = {name.removeprefix(prefix): value for name, value in tensors.items()}
    return tensors


def _class_names(content: Mapping) -> list[str] | None:
    """Class names as we write them, or as mmdetection does."""
    meta = content.get("meta")
    meta = meta if isinstance(meta, Mapping) else {}
    dataset = meta.get("dataset_meta") or {}
    names = content.get("class_names") or meta.get("CLASSES")
    names = names or dataset.get("classes") or dataset.get("CLASSES")
    return [str(name) for name in names] if isinstance(names, (list, tuple)) else None
