"""Where a detector is to be operated: thresholds and calibration, stored beside its weights.

A checkpoint may hold them as its entry `operating_point`:

    version       1; an entry of a later version is not read
    weights       "model" or "ema": which weights of the file they were fitted to
    weights_hash  of these weights, see `hash_weights`
    thresholds    score from which on a detection counts, for each class, in the file's order
    calibrator    None, or plain values that say how scores become probabilities
    data          what all this was fitted on: plain values, such as the name of the dataset
"""

from __future__ import annotations

import hashlib
import logging
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from aligndetr.engine.checkpoint import choose_weights, load_model_file
from aligndetr.errors import CheckpointError
from aligndetr.files import atomic_write

logger = logging.getLogger(__name__)

KEY, VERSION = "operating_point", 1


@dataclass(frozen=True)
class OperatingPoint:
    """What was fitted to the weights of a checkpoint.

    Attributes:
        thresholds: one a class, from 0 to 1.
        calibrator: plain values, or None.
        data: what it was fitted on, in plain values.
    """

    thresholds: tuple[float, ...]
    calibrator: Mapping[str, Any] | None = None
    data: Mapping[str, Any] = field(default_factory=dict)


def hash_weights(weights: Mapping[str, Tensor]) -> str:
    """SHA-256 of names, types, shapes and values; the order of the names does not count."""
    digest = hashlib.sha256()
    for name in sorted(weights):
        tensor = weights[name].detach().cpu().contiguous()
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
        digest.update(tensor.reshape(-1).view(torch.uint8).numpy())
    return digest.hexdigest()


def read_operating_point(
    content: Mapping[str, Any], which: str, source: str | os.PathLike
) -> OperatingPoint | None:
    """The operating point of a checkpoint's weights.

    Args:
        content: see `load_model_file`.
        which: the weights in use, "model" or "ema".
        source: named in messages.

    Returns:
        None if there is none; or, with a warning, if it belongs to other weights or is of a later
        version.

    Raises:
        CheckpointError: the entry is damaged.
    """
    entry = content.get(KEY)
    if entry is None:
        return None
    if not isinstance(entry, Mapping) or type(entry.get("version")) is not int:
        raise CheckpointError(f"the {KEY} in {source} has no version")
    if entry["version"] > VERSION:
        ignored = f"it is of version {entry['version']}, later than {VERSION}"
    elif entry.get("weights") != which:
        ignored = f"it belongs to the {entry.get('weights')} weights, not to the {which} weights"
    elif entry.get("weights_hash") != hash_weights(content[which]):
        ignored = f"it belongs to other {which} weights than those in the file"
    else:
        return _checked(entry, source)
    logger.warning("the %s in %s is ignored: %s", KEY, source, ignored)
    return None


def write_operating_point(
    source: str | os.PathLike, destination: str | os.PathLike, which: str, point: OperatingPoint
) -> None:
    """Write a copy of a checkpoint with an operating point; all else in it stays as it is.

    Args:
        source: the checkpoint.
        destination: another file, written whole or not at all.
        which: the weights that `point` was fitted to, "model" or "ema".
        point: replaces one that is in the file.

    Raises:
        CheckpointError: the checkpoint cannot be read, lacks these weights, or is `destination`;
            or `point` holds what cannot be an operating point.
    """
    if Path(source).resolve() == Path(destination).resolve():
        raise CheckpointError(f"{source} stays as it is: give the new file another name")
    content = load_model_file(source)
    _, weights = choose_weights(content, which, source)
    entry = {"version": VERSION, "weights": which, "weights_hash": hash_weights(weights)}
    entry |= asdict(_checked(asdict(point), destination))
    with atomic_write(destination, "wb") as file:
        torch.save({**content, KEY: entry}, file)


def _checked(entry: Mapping[str, Any], source: str | os.PathLike) -> OperatingPoint:
    thresholds, calibrator, data = (entry.get(k) for k in ("thresholds", "calibrator", "data"))
    if not isinstance(thresholds, list | tuple) or not all(map(_is_score, thresholds)):
        wrong = "thresholds that are not numbers from 0 to 1"
    elif not isinstance(calibrator, Mapping | None):
        wrong = f"a {type(calibrator).__name__} as calibrator"
    elif not isinstance(data, Mapping):
        wrong = f"a {type(data).__name__} as data"
    else:
        return OperatingPoint(tuple(thresholds), calibrator, data)
    raise CheckpointError(f"the {KEY} in {source} has {wrong}; fit it again")


def _is_score(value: Any) -> bool:
    return type(value) in (int, float) and 0 <= value <= 1
