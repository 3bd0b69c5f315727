"""Weights for a model that is not resumed."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from torch import nn

from aligndetr.engine.checkpoint import choose_weights, load_model_file, load_weights
from aligndetr.errors import CheckpointError

logger = logging.getLogger(__name__)

LoadInitial = Callable[[nn.Module, str], Any]


def load_own(model: nn.Module, path: str) -> str:
    """Load a local file of this toolbox whose weights fit exactly; see `LoadInitial`.

    `aligndetr.interop.load_checkpoint` takes its place where files of other toolboxes, URLs and
    models with other classes should work too, as in all commands.

    Where the file has a moving average too, training still starts from the model's own weights.

    Returns:
        What was done, for the log.

    Raises:
        CheckpointError: see `load_model_file` and `load_weights`.
    """
    load_weights(model, load_model_file(path)["model"], path)
    return f"starting from the weights of {path}"


def load_for_evaluation(
    model: nn.Module, path: str, wanted: str | None, load_initial: LoadInitial
) -> None:
    """Load what should be evaluated.

    Args:
        model: its `class_names`, if any, are compared with those in the file.
        path: a checkpoint of a training here, or whatever `load_initial` reads.
        wanted: "ema", "model", or None for the moving average if there is one.
        load_initial: reads all other files.

    Raises:
        CheckpointError: the file cannot be read or used.
    """
    content = _own_content(path)
    if content is None:
        logger.info("%s", load_initial(model, path))
        return
    check_class_names(content.get("class_names"), getattr(model, "class_names", None), path)
    which, weights = choose_weights(content, wanted, path)
    load_weights(model, weights, path)
    logger.info("evaluating the %s weights of %s", which, path)


def _own_content(path: str | os.PathLike) -> Mapping[str, Any] | None:
    """Content of a file that a training here wrote; None for any other that may be readable."""
    if not Path(path).is_file() or Path(path).suffix != ".pth":
        return None
    try:
        content = load_model_file(path)
    except CheckpointError:
        return None  # the other reader knows more formats, or says what is wrong
    return content if "iteration" in content and "class_names" in content else None


def check_class_names(
    stored: list[str] | None, wanted: list[str] | None, path: str | os.PathLike
) -> None:
    """Compare the classes of a checkpoint with those of the data.

    Raises:
        CheckpointError: another number of classes, or the same in another order.
    """
    if stored is None or wanted is None or stored == wanted:
        return
    if len(stored) != len(wanted):
        raise CheckpointError(
            f"{path} knows {len(stored)} classes ({_few(stored)}), the dataset has {len(wanted)} "
            f"({_few(wanted)}); evaluate with the data it was trained for, or fine-tune it with "
            "train.init_checkpoint"
        )
    if sorted(stored) == sorted(wanted):
        raise CheckpointError(
            f"{path} has the classes of the dataset in another order ({_few(stored)} instead of "
            f"{_few(wanted)}), so every result would be wrong; use the json it was trained with"
        )
    different = [f"{a} / {b}" for a, b in zip(stored, wanted, strict=True) if a != b]
    logger.warning("class names differ (checkpoint / dataset): %s", _few(different))


def _few(names: list[str]) -> str:
    return ", ".join(names[:3]) + (", ..." if len(names) > 3 else "")
