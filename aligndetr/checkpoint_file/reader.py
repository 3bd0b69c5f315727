"""Checkpoints of every kind: torch, zip or legacy, pickles of arrays, safetensors, folders."""

from __future__ import annotations

import mmap
import os
import pickle
import re
import struct
import zipfile
import zlib
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import torch

from aligndetr.checkpoint_file.pretrained_folder import WEIGHTS, read_pretrained
from aligndetr.checkpoint_file.safe_pickle import (
    ADMITTED,
    LEGACY_TORCH_MAGIC,
    NUMPY_DTYPES,
    load_pickle,
    refusal,
)
from aligndetr.checkpoint_file.safetensors_file import read_safetensors
from aligndetr.checkpoint_file.sharded import REST_FILE, is_sharded, read_whole
from aligndetr.errors import CheckpointError

# Of a record's header in a zip file: fixed bytes, and where the lengths of two texts after it are.
HEADER_BYTES, HEADER_LENGTHS = 30, 26
MOST_THREADS = 8
MOST_CONTAINERS = 10**6


def read_checkpoint_file(path: str | os.PathLike, trust: bool = False) -> Any:
    """Read what a file holds, tensors onto the CPU.

    Args:
        path: local file: of `torch.save` (zip or legacy), a pickle of arrays, or safetensors; a
            folder of `aligndetr.hub.save_pretrained`, or that of a sharded training.
        trust: allow any object in a file of `torch.save`, whose reading can then run any code.

    Raises:
        CheckpointError: the file is missing, broken or damaged.
        UntrustedError: it holds objects that are refused.
    """
    path = Path(path)
    if is_sharded(path):
        return read_whole(path, read_rest(path, trust))
    if not path.is_file() and not path.is_dir():
        raise CheckpointError(f"no checkpoint at {path}: there is no such file")
    try:
        content = read_pretrained(path) if path.is_dir() else _read(path, trust)
        check_claims(content, (path / WEIGHTS if path.is_dir() else path).stat().st_size)
        return content
    except CheckpointError as error:
        raise type(error)(f"cannot load {path}: {error}") from error
    except OSError as error:
        raise CheckpointError(f"cannot read {path}: {error.strerror or error}") from error
    except Exception as error:  # a broken stream can make the readers raise nearly anything
        raise CheckpointError(
            f"{path} is truncated or not a checkpoint ({type(error).__name__}: {error})"
        ) from error


def read_rest(folder: Path, trust: bool = False) -> dict[str, Any]:
    """What a sharded checkpoint holds besides the tensors of model, average and optimizer.

    Raises:
        CheckpointError: it is missing or damaged.
    """
    rest = read_checkpoint_file(folder / REST_FILE, trust)
    if not isinstance(rest, dict):
        raise CheckpointError(f"{folder / REST_FILE} holds a {type(rest).__name__}, not a dict")
    return rest


def check_claims(content: Any, size: int) -> None:
    """See that working with what a file holds takes no more than the file has given.

    A few bytes can stand for a tensor of any size, by strides of 0 or on the device "meta", and
    for containers without end, by references.

    Args:
        content: tensors in nested dicts, lists and tuples.
        size: of the file in bytes.

    Raises:
        CheckpointError: a tensor claims more bytes, or the containers are too many.
    """
    containers = 0
    todo: list[tuple[tuple, Any]] = [
        ((), content)
    ]  # with the way to each, as (way to its container, key)
    while todo:
        way, value = todo.pop()
        if isinstance(value, torch.Tensor):
            claimed = value.numel() * value.element_size()
            if value.layout == torch.strided and claimed > size:
                raise CheckpointError(
                    f"its tensor {_dotted(way)} claims {claimed} bytes, more than the file has"
                )
        elif isinstance(value, Mapping | list | tuple):
            containers += 1
            if containers > MOST_CONTAINERS:
                raise CheckpointError("its containers are nested without end")
            entries = value.items() if isinstance(value, Mapping) else enumerate(value)
            todo += [((way, key), entry) for key, entry in entries]


def _dotted(way: tuple) -> str:
    keys = []
    while way:
        way, key = way
        keys.append(str(key))
    return ".".join(reversed(keys))


def _read(path: Path, trust: bool) -> Any:
    if path.suffix == ".safetensors":
        return read_safetensors(path)
    if zipfile.is_zipfile(path):
        check_zip(path)
        return _read_torch(path, trust)
    if trust:
        return _read_torch(path, trust)
    with open(path, "rb") as file:
        content = load_pickle(file)
    return _read_torch(path, trust) if content == LEGACY_TORCH_MAGIC else content


def _read_torch(path: Path, trust: bool) -> Any:
    admitted = [(value, name) for name, value in ADMITTED.items()]
    try:
        with torch.serialization.safe_globals([*admitted, *NUMPY_DTYPES]):
            return torch.load(path, map_location="cpu", weights_only=not trust)
    except pickle.UnpicklingError as error:
        named = re.search(r"GLOBAL ([\w.]+)", str(error))
        if named:
            raise refusal(named.group(1)) from error
        raise


def check_zip(path: Path) -> None:
    """Compare every record with its CRC-32 and the sizes with the file, before any is unpacked.

    `torch.save` never compresses; a small file can therefore not stand for gigabytes.

    Raises:
        CheckpointError: a record is compressed or damaged, or the records overlap.
    """
    with zipfile.ZipFile(path) as archive:
        records = archive.infolist()
    for record in records:
        if record.compress_type != zipfile.ZIP_STORED or record.compress_size != record.file_size:
            raise CheckpointError(
                f"its record {record.filename} is compressed ({record.compress_size} bytes for "
                f"{record.file_size}), which torch.save never does"
            )
    if sum(record.file_size for record in records) > path.stat().st_size:
        raise CheckpointError("its records claim more bytes than the file has")
    if not any(record.CRC for record in records):
        return  # torch can be told to write no checksums
    with (
        open(path, "rb") as file,
        mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content,
        memoryview(content) as view,
        ThreadPoolExecutor(min(os.cpu_count() or 1, MOST_THREADS)) as pool,
    ):
        # Several at a time: checksums take about as long as reading a file that lies in memory.
        for _ in pool.map(lambda record: _check_record(record, view), records):
            pass


def _check_record(record: zipfile.ZipInfo, view: memoryview) -> None:
    # The texts of the header can be longer than the archive's directory says: torch aligns data.
    texts = struct.unpack_from("<HH", view, record.header_offset + HEADER_LENGTHS)
    start = record.header_offset + HEADER_BYTES + sum(texts)
    with view[start : start + record.file_size] as data:
        if zlib.crc32(data) != record.CRC:
            raise CheckpointError(
                f"its record {record.filename} is damaged: it does not have the CRC-32 that it was "
                "written with. Copy the file anew, or use another"
            )
