"""Checkpoint files of any writer, as plain tensors by name."""

from __future__ import annotations

import pickle
import re
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from aligndetr.errors import CheckpointError
from aligndetr.interop.locate import local_checkpoint
from aligndetr.interop.safe_pickle import (
    ADMITTED,
    LEGACY_TORCH_MAGIC,
    NUMPY_DTYPES,
    load_pickle,
    refusal,
)

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


def read_checkpoint(path: str | Path, weights: str = "model") -> RawCheckpoint:
    """Read a checkpoint without running any code in it.

    Args:
        path: local file, URL or `detectron2://` name; zip and legacy files of torch.save, pickles
            of arrays, safetensors.
        weights: "model", or "ema" for the averaged weights beside them.

    Raises:
        CheckpointError: the file is missing, broken, refused, or has no such weights.
    """
    content = _read_file(local_checkpoint(path))
    if not isinstance(content, Mapping):
        kind = type(content).__name__
        raise CheckpointError(f"{path} holds a {kind}, not a dict of weights")
    tensors = _as_tensors(_find_weights(content, weights, path))
    if not tensors:
        raise CheckpointError(f"{path} holds no weights; its keys are {_some(content)}")
    return RawCheckpoint(
        path=str(path),
        tensors=_strip_wrappers(tensors),
        class_names=_class_names(content),
        author=content.get("__author__"),
        traits=dict(content.get("traits") or {}),
    )


def _read_file(path: Path) -> Any:
    try:
        if path.suffix == ".safetensors":
            return _read_safetensors(path)
        if zipfile.is_zipfile(path):
            return _read_torch(path)
        with open(path, "rb") as file:
            content = load_pickle(file)
        return _read_torch(path) if content == LEGACY_TORCH_MAGIC else content
    except CheckpointError as error:
        raise CheckpointError(f"cannot load {path}: {error}") from error
    except OSError as error:
        raise CheckpointError(f"cannot read {path}: {error.strerror or error}") from error
    except Exception as error:  # a broken stream can make the readers raise nearly anything
        raise CheckpointError(
            f"{path} is truncated or no checkpoint ({type(error).__name__}: {error})"
        ) from error


def _read_torch(path: Path) -> Any:
    admitted = [(value, name) for name, value in ADMITTED.items()]
    try:
        with torch.serialization.safe_globals([*admitted, *NUMPY_DTYPES]):
            return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        named = re.search(r"GLOBAL ([\w.]+)", str(error))
        if named:
            raise refusal(named.group(1)) from error
        raise


def _read_safetensors(path: Path) -> Any:
    try:
        from safetensors.torch import load_file
    except ImportError as error:
        raise CheckpointError("reading it needs: pip install safetensors") from error
    return load_file(path)


def _find_weights(content: Mapping, weights: str, path: str | Path) -> Mapping:
    for key in WEIGHT_KEYS[weights]:
        value = content.get(key)
        if isinstance(value, Mapping) and value:
            # Some writers wrap once more: {"ema": {"module": ...}}, {"model": {"state_dict": ...}}.
            inner = [v for k, v in value.items() if k in ("module", "state_dict", "model")]
            return inner[0] if inner and isinstance(inner[0], Mapping) else value
    if weights == "ema":
        raise CheckpointError(f"{path} has no averaged weights; its keys are {_some(content)}")
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


def _some(names: Mapping, limit: int = 6) -> str:
    shown = ", ".join(str(name) for name in list(names)[:limit])
    return shown + (", ..." if len(names) > limit else "")
