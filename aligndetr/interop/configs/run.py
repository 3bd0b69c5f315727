"""The sections `optimizer`, `lr_multiplier` and `train`."""

from __future__ import annotations

import warnings
from typing import Any

from omegaconf import DictConfig

from aligndetr.config import ConfigWarning, get_config
from aligndetr.errors import ConfigError
from aligndetr.interop.configs.section import Section

PUBLISHED_FACTOR = {"backbone": 0.1}


def translate_optimizer(source: Section) -> DictConfig:
    """The optimizer stays; its parameter groups become ours."""
    optimizer = get_config("common/optim.py").adamw
    params = source.section("params")
    groups = optimizer.params
    lr = source.number("lr")
    params.demand("base_lr", lr, "a rate of its own")
    params.demand("bias_lr_factor", 1.0, "which parameter_groups has no argument for")
    params.drop("model", "the trainer puts it in")
    groups.weight_decay_norm = params.take("weight_decay_norm", None)
    groups.weight_decay = params.take("weight_decay", None)
    bias = params.take("weight_decay_bias", None)
    groups.weight_decay_overrides = None if bias is None else {"bias": bias}
    groups.lr_factor = _lr_factor(params.take("lr_factor_func", None), params.path)
    params.finish()
    others = dict(source.values)
    return DictConfig(
        {"_target_": source.target, "params": groups, "lr": lr, **others},
        flags={"allow_objects": True},
    )


def _lr_factor(function: Any, path: str) -> Any:
    """A function of the parameter's name, or our table for one that a dump has lost."""
    if function is None or (callable(function) and not isinstance(function, str)):
        return function
    warnings.warn(
        f"{path}.lr_factor_func was not saved with the config ({function}); the published rule is "
        "used: learning rate x 0.1 for the backbone",
        ConfigWarning,
        stacklevel=2,
    )
    return PUBLISHED_FACTOR


def translate_schedule(source: Section) -> DictConfig:
    """Warm-up around any of fvcore's schedules."""
    if source.kind != "WarmupParamScheduler":
        raise ConfigError(f"{source.path}: the schedule {source.target} has no counterpart")
    schedule = get_config("common/schedule.py").step_12ep
    schedule.scheduler = source.take("scheduler")
    schedule.warmup_factor = source.take("warmup_factor")
    schedule.warmup_length = source.take("warmup_length")
    schedule.warmup_method = source.take("warmup_method", "linear")
    source.demand("rescale_interval", False, "which squeezes the schedule behind the warm-up")
    source.finish()
    return schedule


def translate_train(source: Section) -> DictConfig:
    """Iterations, clipping, checkpoints and the like; key by key."""
    train = get_config("common/train.py").train
    if "wandb" in source.values:
        train.wandb = source.take("wandb")  # its params are handed over to wandb as they are
    _copy(source, train)
    train.reference_batch_size = None
    source.report.add(
        "train.reference_batch_size", "null: the published learning rate holds for any batch size"
    )
    return train


def _copy(source: Section, ours: DictConfig) -> None:
    """Take over the keys that both have."""
    for key in list(source.values):
        value = source.values[key]
        if key not in ours.keys():  # noqa: SIM118  `in` is False for None values
            continue
        if isinstance(value, dict) and isinstance(ours[key], DictConfig):
            _copy(source.section(key), ours[key])
        else:
            is_real = isinstance(ours[key], float) and value is not None
            ours[key] = source.number(key) if is_real else source.take(key)
    source.finish()
