"""Sharded checkpoints: a folder in which each process of a training has written its part.

The format is that of `torch.distributed.checkpoint`; what is no tensor lies beside it in one file.
"""

from __future__ import annotations

import importlib
import math
import os
import pickle
import warnings
from collections import defaultdict
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from aligndetr.checkpoint_file.safe_pickle import refusal
from aligndetr.errors import CheckpointError, UserError

if TYPE_CHECKING:
    from torch.distributed.checkpoint import FileSystemReader

SUFFIX = ".dcp"  # ends the name of such a folder
REST_FILE = "rest.pth"  # in it: what is no tensor of model, moving average or optimizer
_METADATA = ".metadata"
_ADMITTED = {
    "torch": {"Size"},
    "torch.distributed.checkpoint.filesystem": {"_StorageInfo"},
    "torch.distributed.checkpoint.metadata": {
        "BytesStorageMetadata",
        "ChunkStorageMetadata",
        "Metadata",
        "MetadataIndex",
        "StorageMeta",
        "TensorProperties",
        "TensorStorageMetadata",
        "_MEM_FORMAT_ENCODING",
    },
    "torch.serialization": {"_get_layout"},
    "pathlib": {"Path", "PosixPath", "PurePosixPath"},
}


def is_sharded(path: str | os.PathLike) -> bool:
    """Whether a path names such a folder, there or not."""
    return Path(path).suffix == SUFFIX


def read_whole(folder: Path, rest: dict[str, Any]) -> dict[str, Any]:
    """All weights in such a folder, put together on the CPU of this process.

    Args:
        folder: of the checkpoint.
        rest: content of its `REST_FILE`.

    Returns:
        `rest` with the weights by name as `model` and, if there is one, `ema`.

    Raises:
        CheckpointError: a part is missing or damaged.
        UntrustedError: it asks for objects that are refused.
    """
    import torch.distributed.checkpoint as dcp
    from torch.distributed.checkpoint.metadata import TensorStorageMetadata

    reader = sharded_reader(folder)
    with named(folder), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "torch.distributed is disabled")  # so it is meant
        entries = reader.read_metadata().state_dict_metadata
        tensors = {
            name: torch.empty(entry.size, dtype=entry.properties.dtype)
            for name, entry in entries.items()
            if name.partition("/")[0] in ("model", "ema")
            and isinstance(entry, TensorStorageMetadata)
        }
        dcp.load(tensors, storage_reader=reader, no_dist=True)
    parts: dict[str, dict[str, torch.Tensor]] = defaultdict(dict)
    for name, tensor in tensors.items():
        part, _, own = name.partition("/")
        parts[part][own] = tensor
    return {**rest, **parts}


def sharded_reader(folder: Path) -> FileSystemReader:
    """What `torch.distributed.checkpoint.load` takes; the list of contents runs nothing in it.

    Raises:
        CheckpointError: the list or a part is missing, or a part is shorter than it says.
        UntrustedError: the list asks for objects that are refused.
    """
    from torch.distributed.checkpoint import FileSystemReader

    class Reader(FileSystemReader):
        def read_metadata(self, *args: Any, **kwargs: Any) -> Any:
            metadata = _read_metadata(folder)
            if metadata.storage_meta is not None:
                metadata.storage_meta.load_id = self.load_id
            return metadata

    with named(folder):
        _check_whole(folder, _read_metadata(folder))
    return Reader(folder)


@contextmanager
def named(folder: Path) -> Generator[None]:
    """What goes wrong in the block is said of a checkpoint."""
    from torch.distributed.checkpoint import CheckpointException  # no Exception of Python's

    try:
        yield
    except UserError:
        raise
    except FileNotFoundError as error:
        raise CheckpointError(f"{error.filename} is missing") from error
    except (Exception, CheckpointException) as error:
        lines = str(error).strip().splitlines()
        words = f"{type(error).__name__}: {lines[-1][:200] if lines else ''}"
        raise CheckpointError(f"{folder} is damaged, or does not fit ({words})") from error


class _Unpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if name in _ADMITTED.get(module, ()):
            return getattr(importlib.import_module(module), name)
        if module == "torch" and isinstance(getattr(torch, name, None), torch.dtype):
            return getattr(torch, name)
        raise refusal(f"{module}.{name}")


def _read_metadata(folder: Path) -> Any:
    with open(folder / _METADATA, "rb") as file:
        return _Unpickler(file).load()


def _check_whole(folder: Path, metadata: Any) -> None:
    """Compare what the list says with the lengths of the files."""
    sizes = {path.name: path.stat().st_size for path in folder.iterdir()}
    for place in metadata.storage_data.values():
        name = place.relative_path
        if place.offset + place.length > sizes.get(name, 0):
            what = "shorter than it was" if name in sizes else "missing"
            raise CheckpointError(f"{folder}: its part {name} is {what}")
    claimed = sum(
        math.prod(entry.size) * entry.properties.dtype.itemsize
        for entry in metadata.state_dict_metadata.values()
        if hasattr(entry, "size")
    )
    if claimed > sum(sizes.values()):
        raise CheckpointError(f"{folder} claims {claimed} bytes, more than its files have")
