"""Weights for a model that is not resumed."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf
from torch import nn

from aligndetr.distributed import main_first
from aligndetr.engine.checkpoint import choose_weights, load_model_file, load_weights
from aligndetr.engine.num_classes import check_class_names
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


def load_start(config: DictConfig, model: nn.Module) -> None:
    """Load `train.init_checkpoint`, if there is one, into a model that starts from iteration 0."""
    path = OmegaConf.select(config, "train.init_checkpoint")
    if path:
        from aligndetr.interop import load_checkpoint

        with main_first():
            logger.info("%s", load_checkpoint(model, path))


def read_stored(path: str | os.PathLike) -> Mapping[str, Any]:
    """Content of a checkpoint; empty if only a `LoadInitial` may be able to read it.

    Raises:
        CheckpointError: there is no such file.
    """
    if "://" in str(path):
        return {}
    if not Path(path).exists():
        raise CheckpointError(f"no checkpoint at {path}: there is no such file")
    try:
        return load_model_file(path) if Path(path).suffix == ".pth" else {}
    except CheckpointError:
        return {}  # the other reader knows more formats, or says what is wrong


def load_trained(
    model: nn.Module,
    path: str,
    stored: Mapping[str, Any],
    wanted: str | None,
    load_initial: LoadInitial,
) -> None:
    """Load the weights that a training ended with.

    Args:
        model: its `class_names`, if any, are compared with those in the file.
        path: of the checkpoint.
        stored: its content as `read_stored` gives it.
        wanted: "ema", "model", or None for the moving average if there is one.
        load_initial: reads files that no training here wrote.

    Raises:
        CheckpointError: the file cannot be read or used.
    """
    if "iteration" not in stored or "class_names" not in stored:
        logger.info("%s", load_initial(model, path))
        return
    check_class_names(stored["class_names"], getattr(model, "class_names", None), path)
    which, weights = choose_weights(stored, wanted, path)
    load_weights(model, weights, path)
    logger.info("taking the %s weights of %s", which, path)
