"""The parts of an experiment, from its config."""

from __future__ import annotations

from typing import Any

import torch
from omegaconf import DictConfig, OmegaConf, open_dict
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from aligndetr.config import instantiate
from aligndetr.distributed import world_size
from aligndetr.engine.plan import Plan
from aligndetr.errors import ConfigError


def put(config: DictConfig, key: str, value: Any) -> None:
    """Set an entry of a config to any object, new or not."""
    parent, _, name = key.rpartition(".")
    node = OmegaConf.select(config, parent) if parent else config
    with open_dict(node):
        node._set_flag("allow_objects", True)
        node[name] = value


def build_dataset(config: DictConfig, split: str) -> Any:
    """The dataset of `dataloader.<split>`, or None if it is not one that knows its classes."""
    node = OmegaConf.select(config, f"dataloader.{split}.dataset")
    dataset = None if node is None else instantiate(node)
    return dataset if hasattr(dataset, "class_names") else None


def keep_dataset(config: DictConfig, split: str, dataset: Any) -> None:
    """Put a dataset in the place of its description, so that it is loaded only once."""
    if dataset is not None:
        put(config, f"dataloader.{split}.dataset", dataset)


def distribute(model: nn.Module, config: DictConfig, device: torch.device) -> nn.Module:
    """Let several processes average the model's gradients; one alone needs no wrapper."""
    if world_size() == 1:
        return model
    options = OmegaConf.select(config, "train.ddp") or {}
    wrapped = DistributedDataParallel(
        model,
        device_ids=[device.index] if device.type == "cuda" else None,
        broadcast_buffers=bool(options.get("broadcast_buffers", False)),
        find_unused_parameters=bool(options.get("find_unused_parameters", False)),
    )
    if options.get("fp16_compression"):
        from torch.distributed.algorithms.ddp_comm_hooks import default_hooks

        wrapped.register_comm_hook(state=None, hook=default_hooks.fp16_compress_hook)
    return wrapped


def build_train_loader(config: DictConfig, plan: Plan) -> Any:
    """The loader of micro-batches."""
    config.dataloader.train.total_batch_size = plan.loader_batch_size
    return instantiate(config.dataloader.train)


def build_validation_loader(config: DictConfig) -> Any:
    """The test loader with ground truth: same images, same augmentation."""
    if "mapper" not in config.dataloader.test or "is_train" not in config.dataloader.test.mapper:
        raise ConfigError("train.validation_loss needs dataloader.test.mapper with is_train")
    mapper = config.dataloader.test.mapper
    before, mapper.is_train = mapper.is_train, True
    try:
        return instantiate(config.dataloader.test)
    finally:
        mapper.is_train = before


def build_optimizer(config: DictConfig, model: nn.Module, plan: Plan) -> torch.optim.Optimizer:
    """The optimizer over the model's parameters, its learning rates scaled by the plan."""
    put(config, "optimizer.params.model", model)
    optimizer = instantiate(config.optimizer)
    for group in optimizer.param_groups:
        group["lr"] *= plan.lr_factor
    return optimizer
