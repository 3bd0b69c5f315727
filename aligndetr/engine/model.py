"""The model of an experiment: one to train, or one with its weights, ready for use."""

from __future__ import annotations

import copy
import os
import warnings
from typing import Any

import torch
from omegaconf import DictConfig, OmegaConf
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from aligndetr.config import instantiate
from aligndetr.distributed import together, world_size
from aligndetr.engine.activation_checkpointing import KEY as RECOMPUTED
from aligndetr.engine.activation_checkpointing import recompute_activations
from aligndetr.engine.compilation import COMPILE, compile_parts
from aligndetr.engine.data_parallel import compress_gradients, synchronised_batch_norms
from aligndetr.engine.freezing import FREEZE, freeze_parts
from aligndetr.engine.initial_weights import load_trained, read_stored
from aligndetr.engine.launch import resolve_device
from aligndetr.engine.num_classes import settle_by_checkpoint, settle_num_classes
from aligndetr.engine.operating_point import read_operating_point
from aligndetr.engine.stored_config import warn_of_differences
from aligndetr.errors import ConfigError


def build_model(config: DictConfig, class_names: list[str] | None) -> nn.Module:
    """The model to train, with fresh weights, frozen, recomputed and compiled as `train` says.

    Args:
        config: of the experiment, its number of classes settled.
        class_names: which the model then knows as `class_names`.

    Raises:
        ConfigError: `model` cannot be built, or `train` names parts that it does not have.
    """
    model = _built(config, class_names)
    freeze_parts(model, OmegaConf.select(config, FREEZE) or ())
    recompute_activations(model, OmegaConf.select(config, RECOMPUTED) or ())
    compile_parts(model, OmegaConf.select(config, COMPILE) or ())
    return model


def load_model(
    config: DictConfig,
    checkpoint: str | os.PathLike | None,
    class_names: list[str] | None = None,
    weights: str | None = None,
    device: str | None = None,
) -> nn.Module:
    """The model with the weights of a checkpoint, in evaluation mode.

    It is not compiled, whatever `train.compile` says: images of many sizes would each compile it
    again, and what watches its modules could not look inside.

    Args:
        config: of the experiment; not changed. Where it differs from the one in the checkpoint in
            what detection depends on, a warning says so.
        checkpoint: a file of a training here, or anything that `aligndetr.interop.load_checkpoint`
            reads; None leaves the weights random.
        class_names: of the data that it will see, which the checkpoint's must equal; None takes
            those of the checkpoint, see `settle_by_checkpoint`.
        weights: "ema" or "model"; None follows `train.best.weights`, and that is by default the
            moving average if there is one.
        device: for example "cpu" or "cuda:1"; None follows `train.device`.

    Returns:
        The model; `class_names` are None where neither data nor checkpoint say, and so is its
        `operating_point` where the checkpoint has none of these weights.

    Raises:
        ConfigError: the model cannot be built, or its number of classes is not that of the data.
        CheckpointError: the file cannot be read, does not fit, or holds NaN or infinity.
    """
    config = copy.deepcopy(config)
    stored = {} if checkpoint is None else read_stored(checkpoint)
    if class_names is not None or checkpoint is None:
        settle_num_classes(config, class_names, "the dataset")
    else:
        class_names = settle_by_checkpoint(config, stored.get("class_names"), checkpoint)
    warn_of_differences(config, stored, checkpoint)
    model: Any = _built(config, class_names)
    model.operating_point = None
    if checkpoint is not None:
        preferred = OmegaConf.select(config, "train.best.weights")
        which = load_trained(model, checkpoint, stored, weights, preferred)
        model.operating_point = read_operating_point(stored, which, checkpoint)
    name = device or OmegaConf.select(config, "train.device") or "auto"
    return model.to(resolve_device(name)).eval()


def distribute(model: nn.Module, config: DictConfig, device: torch.device) -> nn.Module:
    """Let several processes average the model's gradients; one alone needs no wrapper."""
    if world_size() == 1 or hasattr(model, "set_requires_gradient_sync"):  # alone, or sharded
        return model
    options = OmegaConf.select(config, "train.ddp") or {}
    model = synchronised_batch_norms(model, config, device)
    with together("the first exchange of weights"), warnings.catch_warnings():
        # newer versions of torch want another name, which older ones do not have
        warnings.filterwarnings("ignore", "`broadcast_buffers` is deprecated", FutureWarning)
        wrapped = DistributedDataParallel(
            model,
            device_ids=[device.index] if device.type == "cuda" else None,
            broadcast_buffers=bool(options.get("broadcast_buffers", False)),
            find_unused_parameters=bool(options.get("find_unused_parameters", False)),
        )
    compress_gradients(wrapped, config)
    return wrapped


def _built(config: DictConfig, class_names: list[str] | None) -> nn.Module:
    model = instantiate(config.model)
    if not isinstance(model, nn.Module):
        target, kind = config.model.get("_target_"), type(model).__name__
        raise ConfigError(f"model: {target} makes a {kind}, no torch module")
    model.class_names = None if class_names is None else list(class_names)
    return model
