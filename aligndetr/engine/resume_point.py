"""Which checkpoint of a run's folder a training goes on from."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import nn

from aligndetr.checkpoint_file import read_rest
from aligndetr.checkpoint_file.sharded import is_sharded, sharded_reader
from aligndetr.distributed import on_main
from aligndetr.engine.checkpoint import (
    LAST_FILE,
    SUFFIXES,
    by_age,
    describe_nonfinite_parts,
    last_checkpoint,
    load_model_file,
)
from aligndetr.errors import CheckpointError, ConfigError, UntrustedError
from aligndetr.files import remove_unfinished

logger = logging.getLogger(__name__)

UNFINISHED_0_1 = re.compile(r"\.(model_\w+\.pth|last_checkpoint|config\.yaml)\.[a-z0-9_]{8}")


@dataclass
class ResumePoint:
    """A checkpoint that was read, as large as model and optimizer: nobody should hold it for long.

    Attributes:
        path: the file.
        content: see `load_model_file`.
    """

    path: Path
    content: dict[str, Any]


def find_resume_point(
    folder: Path, model: nn.Module, trust: bool = False, sharded: bool = False
) -> ResumePoint | None:
    """The file that `last_checkpoint` names or, where that cannot be used, the newest that can.

    A file can be used if it is whole and no tensor in it holds NaN or infinity. What is passed
    over is said, and so is that nothing is left. Every process must call it. What killed
    processes had begun to write is removed.

    Args:
        folder: of the run; no other training uses it.
        model: of the run, see `describe_nonfinite_parts`.
        trust: see `load_model_file`.
        sharded: whether the run is; of a sharded checkpoint, a folder, `content` is all but the
            tensors, which are finite, as others are not written.

    Returns:
        The file, read once in each process, or None: the training starts anew.

    Raises:
        UntrustedError: a file asks for objects that are refused.
        ConfigError: it is sharded and the run is not, or the other way round.
    """
    point: ResumePoint | None = None

    def choose() -> Path | None:
        nonlocal point
        point = _find(folder, model, trust, sharded)
        return point.path if point else None

    path = on_main(choose)
    if path is not None and point is None:  # the main process chose it
        content = read_rest(path, trust) if sharded else load_model_file(path, trust)
        point = ResumePoint(path, content)
    return point


def _find(folder: Path, model: nn.Module, trust: bool, sharded: bool) -> ResumePoint | None:
    for path in (*remove_unfinished(folder), *_remove_unfinished_0_1(folder)):
        logger.info("removed %s, which a killed process had begun", path)
    for path in _candidates(folder):
        if is_sharded(path) != sharded:
            raise ConfigError(
                f"{path} is {'' if is_sharded(path) else 'not '}sharded: only a training with "
                f"train.fsdp.enabled={str(not sharded).lower()} goes on from it; one that "
                f"starts from its weights needs another folder and train.init_checkpoint={path}"
            )
        try:
            return ResumePoint(path, _read(path, model, trust))
        except UntrustedError:
            raise  # whole, as far as can be told: to pass over it could cost what it holds
        except CheckpointError as error:
            logger.warning("passed over: %s", error)
    logger.warning(
        "--resume: there is no whole checkpoint in %s: STARTING ANEW from iteration 0", folder
    )
    return None


def _remove_unfinished_0_1(folder: Path) -> list[Path]:
    """The same for version 0.1, whose unfinished files only have names like those of `mkstemp`."""
    left = [path for path in folder.glob(".*") if UNFINISHED_0_1.fullmatch(path.name)]
    for path in left:
        path.unlink(missing_ok=True)
    return left


def _candidates(folder: Path) -> Iterator[Path]:
    """The best ones first."""
    last = last_checkpoint(folder)
    if last is not None:
        yield last
    files = [path for suffix in SUFFIXES for path in folder.glob(f"model_*{suffix}")]
    rest = [path for path in reversed(by_age(files)) if path != last]
    if last is None and rest:
        logger.warning("%s names no file beside it; looking for others", folder / LAST_FILE)
    yield from rest


def _read(path: Path, model: nn.Module, trust: bool) -> dict[str, Any]:
    if is_sharded(path):
        sharded_reader(path)  # whole?
        return read_rest(path, trust)
    try:
        content = load_model_file(path, trust)
        problem = describe_nonfinite_parts(content, model)
    except RecursionError:
        raise CheckpointError(f"{path} is nested without end") from None
    if problem:
        raise CheckpointError(f"{path}: {problem}")
    return content
