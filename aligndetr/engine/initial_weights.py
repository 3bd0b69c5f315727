"""Weights for a model that is not resumed."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from typing import Any

from omegaconf import DictConfig, OmegaConf
from torch import nn

from aligndetr.checkpoint_file.pretrained_folder import is_pretrained
from aligndetr.distributed import main_first
from aligndetr.engine.checkpoint import SUFFIXES, choose_weights, load_model_file, load_weights
from aligndetr.engine.finite import describe_nonfinite_model
from aligndetr.engine.num_classes import check_class_names
from aligndetr.errors import CheckpointError
from aligndetr.interop import load_checkpoint
from aligndetr.interop.huggingface import is_hub_name
from aligndetr.interop.references import local_checkpoint

logger = logging.getLogger(__name__)


def load_start(config: DictConfig, model: nn.Module) -> None:
    """Load `train.init_checkpoint`, if there is one, into a model that starts from iteration 0."""
    path = OmegaConf.select(config, "train.init_checkpoint")
    if path:
        with main_first():
            logger.info("%s", load_checkpoint(model, path, other_queries=True))


def read_stored(path: str | os.PathLike) -> Mapping[str, Any]:
    """Content of a checkpoint; empty if only `load_checkpoint` may be able to read it.

    Raises:
        CheckpointError: there is no such file, it cannot be fetched, or its class names are none.
    """
    local = local_checkpoint(path)
    if not local.exists():
        raise CheckpointError(f"no checkpoint at {path}: there is no such file")
    try:
        stored = load_model_file(local) if local.is_dir() or local.suffix in SUFFIXES else {}
    except CheckpointError:
        if local.is_dir() and (is_pretrained(local) or not is_hub_name(path)):
            raise
        return {}  # it knows more formats, or says what is wrong
    names = stored.get("class_names")
    named = isinstance(names, list | tuple) and all(isinstance(name, str) for name in names)
    if names is not None and not named:
        raise CheckpointError(f"{path} holds class_names that are no list of names")
    return stored


def load_trained(
    model: nn.Module,
    path: str | os.PathLike,
    stored: Mapping[str, Any],
    weights: str | None,
    preferred: str | None,
) -> str:
    """Load the weights that a training ended with.

    Args:
        model: its `class_names`, if any, are compared with those in the file.
        path: of the checkpoint.
        stored: its content as `read_stored` gives it.
        weights: "ema" or "model"; None leaves it to `preferred`, and in files that no training
            here wrote it is "model".
        preferred: "ema", "model", or None for the moving average if there is one.

    Returns:
        Which weights were taken, "ema" or "model".

    Raises:
        CheckpointError: the file cannot be read or used, or its weights are not finite.
    """
    if "iteration" not in stored or "class_names" not in stored:
        which = weights or "model"
        report = load_checkpoint(model, path, weights=which)
        logger.log(logging.INFO if report.is_complete else logging.WARNING, "%s", report)
    else:
        check_class_names(stored["class_names"], getattr(model, "class_names", None), path)
        which, chosen = choose_weights(stored, weights or preferred, path)
        load_weights(model, chosen, path)
        logger.info("taking the %s weights of %s", which, path)
    problem = describe_nonfinite_model(model)
    if problem:
        raise CheckpointError(f"{path} can detect nothing: {problem}; use another checkpoint")
    return which
